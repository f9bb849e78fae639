/** The formats in which records are written. */
import type { LogRecord } from '@sq/storage'
import { colors, counted, formatTime, rendered } from '../output.ts'
import type { Painted } from '../output.ts'
import { UsageError } from '../usage-error.ts'
import type { Formatter, RecordLog } from './formatter.ts'
import { cut, escaped, escapedPieces, hexDump, jsonPieces, PIECE_BYTES } from './byte-text.ts'
import { parseTemplate, unescaped } from './template.ts'

type Format = 'text' | 'json' | 'raw' | 'hex' | 'csv'

export interface FormatOptions {
  readonly format: Format
  readonly template?: string
  /** What follows each value of the format `raw`. */
  readonly delimiter?: string
}

/** The text that is printed for a missing value. No value looks like it, because a backslash in a value is doubled. */
const NO_VALUE = String.raw`\N`

/** The format that the options select. Throws a `UsageError` for a bad one. */
export function formatterOf({ format, template, delimiter }: FormatOptions): Formatter {
  if (delimiter !== undefined && (format !== 'raw' || template !== undefined)) {
    throw new UsageError('--delimiter needs --format raw')
  }
  if (template !== undefined) return parseTemplate(template)
  if (format !== 'raw') return FORMATS[format]
  const end = delimiter === undefined ? Buffer.from('\n') : unescaped(delimiter)
  return function* ({ value }) {
    if (value === null) return
    yield value
    yield end
  }
}

/** The first line of the output; empty for most formats. */
export function titleOf({ format, template }: FormatOptions, hasLogs: boolean): string {
  if (format !== 'csv' || template !== undefined) return ''
  return `${hasLogs ? 'topic,partition,' : ''}offset,timestampMs,key,value,headers\n`
}

const FORMATS = {
  *text({ offset, timestampMs, key, value, headers }: LogRecord, log: RecordLog, writesLog: boolean) {
    if (writesLog) yield rendered([colors.dim(nameOf(log)), ' '])
    yield rendered([colors.dim(String(offset)), ' ', colors.dim(formatTime(timestampMs)), ' '])
    if (key !== null) {
      yield* painted(escapedPieces(key), colors.cyan)
      yield ': '
    }
    if (value === null) yield NO_VALUE
    else for (const piece of escapedPieces(value)) yield rendered([piece])
    if (headers.length > 0) {
      yield ' '
      yield* painted(headerPieces(headers), colors.dim)
    }
    yield '\n'
  },
  *json({ offset, timestampMs, key, value, headers }: LogRecord, log: RecordLog, writesLog: boolean) {
    yield writesLog ? `{"topic":"${log.topic}","partition":${log.partition},` : '{'
    yield `"offset":${offset},"timestampMs":${timestampMs},"key":`
    if (key === null) yield 'null'
    else for (const piece of jsonPieces(key)) yield rendered([piece])
    yield ',"value":'
    if (value === null) yield 'null'
    else for (const piece of jsonPieces(value)) yield rendered([piece])
    yield ',"headers":['
    for (const [index, header] of headers.entries()) {
      yield rendered([`${index === 0 ? '' : ','}{"key":${JSON.stringify(header.key)},"value":`])
      for (const piece of jsonPieces(header.value)) yield rendered([piece])
      yield '}'
    }
    yield ']}\n'
  },
  *csv({ offset, timestampMs, key, value, headers }: LogRecord, log: RecordLog, writesLog: boolean) {
    yield `${writesLog ? `${log.topic},${log.partition},` : ''}${offset},${timestampMs},`
    if (key !== null) yield* quotedField(key)
    yield ','
    if (value !== null) yield* quotedField(value)
    yield ','
    if (headers.length > 0) {
      const named = headers.map(
        (header) => `{"key":${JSON.stringify(header.key)},"value":${[...jsonPieces(header.value)].join('')}}`,
      )
      yield* quotedField(Buffer.from(`[${named.join(',')}]`))
    }
    yield '\n'
  },
  *hex({ offset, timestampMs, key, value, headers }: LogRecord, log: RecordLog, writesLog: boolean) {
    yield `${writesLog ? `${nameOf(log)} ` : ''}${offset} ${formatTime(timestampMs)}`
    if (key !== null) {
      yield ' key '
      for (const piece of escapedPieces(key)) yield rendered([piece])
    }
    if (headers.length > 0) {
      yield ' '
      for (const piece of headerPieces(headers)) yield rendered([piece])
    }
    yield value === null ? ', no value\n' : `, ${counted(value.length, 'byte')}\n`
    if (value !== null) yield* hexDump(value, 0)
  },
} satisfies Readonly<Record<Exclude<Format, 'raw'>, Formatter>>

/** Colours pieces, and joins short ones. */
function* painted(pieces: Iterable<string>, paint: (text: string) => Painted): Generator<string> {
  let text = ''
  for (const piece of pieces) {
    text += piece
    if (text.length < PIECE_BYTES) continue
    yield rendered([paint(text)])
    text = ''
  }
  if (text !== '') yield rendered([paint(text)])
}

/** `{key=value other=value}`. */
function* headerPieces(headers: LogRecord['headers']): Generator<string> {
  for (const [index, { key, value }] of headers.entries()) {
    yield `${index === 0 ? '{' : ' '}${escaped(key)}=`
    yield* escapedPieces(value)
  }
  yield '}'
}

/** A field of CSV in quotes, with its bytes as they are. */
function* quotedField(bytes: Uint8Array): Generator<string | Uint8Array> {
  yield '"'
  for (const piece of cut(bytes)) yield Buffer.from(piece.toString('latin1').replaceAll('"', '""'), 'latin1')
  yield '"'
}

function nameOf({ topic, partition }: RecordLog): string {
  return `${topic}/${partition}`
}
