/** Writes records to stdout, those that are wanted, in one of the formats, as fast as the other side reads. */
import { constants } from 'node:buffer'
import type { LogRecord } from '@sq/storage'
import { CommandError } from '../command-error.ts'
import { messageOf } from '../message-of.ts'
import { colors, counted, formatBytes, formatTime, printBytes, rendered } from '../output.ts'
import type { Painted } from '../output.ts'
import { UsageError } from '../usage-error.ts'
import { escaped, escapedPieces, hexDump, jsonPieces, PIECE_BYTES } from './byte-text.ts'

type Format = 'text' | 'json' | 'raw' | 'hex'

export interface RecordOptions {
  readonly format: Format
  readonly key?: string
  readonly grep?: string
  readonly durableOnly?: boolean
}

/** About so many bytes are gathered before they are written. */
const BUFFER_BYTES = 64 * 1024

export class RecordWriter {
  readonly #format: (record: LogRecord) => Iterable<string | Uint8Array>
  readonly #key: Buffer | null
  readonly #pattern: RegExp | null
  #asked = 0
  #written = 0
  /** Text behind what is gathered. */
  #text = ''
  #gathered: Uint8Array[] = []
  #size = 0

  constructor({ format, key, grep }: RecordOptions) {
    this.#format = FORMATS[format]
    this.#key = key === undefined ? null : Buffer.from(key)
    this.#pattern = grep === undefined ? null : compile(grep)
  }

  /** Throws a `CommandError` for a value that no regular expression can be used on. */
  wants({ offset, key, value }: LogRecord): boolean {
    this.#asked++
    if (this.#key !== null && (key === null || !this.#key.equals(key))) return false
    return this.#pattern === null || this.#pattern.test(searchable(offset, value))
  }

  async write(record: LogRecord): Promise<void> {
    this.#written++
    for (const piece of this.#format(record)) {
      if (typeof piece === 'string') {
        this.#text += piece
      } else {
        this.#endText()
        this.#gathered.push(piece)
      }
      this.#size += piece.length
      if (this.#size >= BUFFER_BYTES) await this.flush()
    }
  }

  /** How many records were written. */
  get written(): number {
    return this.#written
  }

  /** Why nothing was written; null where something was. */
  describeNone(): string | null {
    if (this.#written > 0) return null
    if (this.#asked === 0) return 'there is no record to show'
    const choosing = [...(this.#key === null ? [] : ['--key']), ...(this.#pattern === null ? [] : ['--grep'])]
    const choice = `${choosing.join(' and ')} ${choosing.length === 1 ? 'chooses' : 'choose'}`
    return `none of ${counted(this.#asked, 'record')} is what ${choice}`
  }

  /** Writes what is gathered; resolves when there is room for more, or nobody reads. */
  async flush(): Promise<void> {
    this.#endText()
    const gathered = this.#gathered
    this.#gathered = []
    this.#size = 0
    // What is large by itself is not copied.
    const last = (gathered.at(-1)?.length ?? 0) >= BUFFER_BYTES ? gathered.pop() : undefined
    if (gathered.length > 0) await printBytes(Buffer.concat(gathered))
    if (last !== undefined) await printBytes(last)
  }

  /** Short pieces of text become bytes together. */
  #endText(): void {
    if (this.#text !== '') this.#gathered.push(Buffer.from(this.#text))
    this.#text = ''
  }
}

const FORMATS: Readonly<Record<Format, (record: LogRecord) => Iterable<string | Uint8Array>>> = {
  *text({ offset, timestampMs, key, value, headers }) {
    yield rendered([colors.dim(String(offset)), ' ', colors.dim(formatTime(timestampMs)), ' '])
    if (key !== null) {
      yield* painted(escapedPieces(key), colors.cyan)
      yield ': '
    }
    for (const piece of escapedPieces(value)) yield rendered([piece])
    if (headers.length > 0) {
      yield ' '
      yield* painted(headerPieces(headers), colors.dim)
    }
    yield '\n'
  },
  *json({ offset, timestampMs, key, value, headers }) {
    yield `{"offset":${offset},"timestampMs":${timestampMs},"key":`
    if (key === null) yield 'null'
    else for (const piece of jsonPieces(key)) yield rendered([piece])
    yield ',"value":'
    for (const piece of jsonPieces(value)) yield rendered([piece])
    yield ',"headers":['
    for (const [index, header] of headers.entries()) {
      yield rendered([`${index === 0 ? '' : ','}{"key":${JSON.stringify(header.key)},"value":`])
      for (const piece of jsonPieces(header.value)) yield rendered([piece])
      yield '}'
    }
    yield ']}\n'
  },
  *raw({ value }) {
    yield value
    yield '\n'
  },
  *hex({ offset, timestampMs, key, value, headers }) {
    yield `${offset} ${formatTime(timestampMs)}`
    if (key !== null) {
      yield ' key '
      for (const piece of escapedPieces(key)) yield rendered([piece])
    }
    if (headers.length > 0) {
      yield ' '
      for (const piece of headerPieces(headers)) yield rendered([piece])
    }
    yield `, ${counted(value.length, 'byte')}\n`
    yield* hexDump(value, 0)
  },
}

/** Pieces in one paint, together where they are short. */
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

/** A value as text, all of it. */
function searchable(offset: bigint, value: Uint8Array): string {
  if (value.length > constants.MAX_STRING_LENGTH) {
    const most = formatBytes(constants.MAX_STRING_LENGTH)
    throw new CommandError(
      `cannot look for --grep in the record at offset ${offset}: its value has ${formatBytes(value.length)}, the most is ` +
        `${most}; pass it by with --from ${offset + 1n}, or search it elsewhere: --from ${offset} --count 1 --format raw`,
    )
  }
  return Buffer.from(value.buffer, value.byteOffset, value.length).toString('utf8')
}

function compile(pattern: string): RegExp {
  try {
    return new RegExp(pattern)
  } catch (error) {
    throw new UsageError(`--grep takes a regular expression: ${messageOf(error)}`)
  }
}
