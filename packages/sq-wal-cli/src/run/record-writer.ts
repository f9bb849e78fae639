/** Filters records and writes them to stdout in one of the formats, with backpressure. */
import { constants } from 'node:buffer'
import type { LogRecord } from '@sq/storage'
import { CommandError } from '../command-error.ts'
import { messageOf } from '../message-of.ts'
import { colors, counted, formatBytes, formatTime, printBytes, rendered } from '../output.ts'
import type { Painted } from '../output.ts'
import type { GivenTime } from '../place.ts'
import { UsageError } from '../usage-error.ts'
import { escaped, escapedPieces, hexDump, jsonPieces, PIECE_BYTES } from './byte-text.ts'

type Format = 'text' | 'json' | 'raw' | 'hex'

export interface RecordOptions {
  readonly format: Format
  readonly since?: GivenTime
  readonly until?: GivenTime
  readonly key?: string
  readonly grep?: string
  readonly durableOnly?: boolean
}

const FILTERS = ['since', 'until', 'key', 'grep'] as const satisfies readonly (keyof RecordOptions)[]

/** The text that is printed for a missing value. No value looks like it, because a backslash in a value is doubled. */
const NO_VALUE = String.raw`\N`

/** Output is buffered up to about this size. */
const BUFFER_BYTES = 64 * 1024

export class RecordWriter {
  readonly #format: (record: LogRecord) => Iterable<string | Uint8Array>
  readonly #sinceMs: number
  readonly #untilMs: number
  readonly #key: Buffer | null
  readonly #pattern: RegExp | null
  #asked = 0
  #written = 0
  /** The text after the buffered bytes. */
  #text = ''
  #gathered: Uint8Array[] = []
  #size = 0

  /** The filters that are given. */
  readonly #filters: readonly string[]

  constructor(options: RecordOptions) {
    const { format, since, until, key, grep } = options
    this.#format = FORMATS[format]
    this.#sinceMs = since?.timestampMs ?? -Infinity
    this.#untilMs = until?.timestampMs ?? Infinity
    this.#key = key === undefined ? null : Buffer.from(key)
    this.#pattern = grep === undefined ? null : compile(grep)
    this.#filters = FILTERS.filter((name) => options[name] !== undefined)
  }

  /** Whether there is a filter, so that not every record is written. */
  get isFiltered(): boolean {
    return this.#filters.length > 0
  }

  /** Whether a record passes the filters. Throws a `CommandError` for a value too large for a regular expression. */
  wants({ offset, timestampMs, key, value }: LogRecord): boolean {
    this.#asked++
    if (timestampMs < this.#sinceMs || timestampMs >= this.#untilMs) return false
    if (this.#key !== null && (key === null || !this.#key.equals(key))) return false
    return this.#pattern === null || (value !== null && this.#pattern.test(searchable(offset, value)))
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

  /** The number of records written. */
  get written(): number {
    return this.#written
  }

  /** Why no record was written. Null if one was. */
  describeNone(): string | null {
    if (this.#written > 0) return null
    if (this.#asked === 0) return 'no records in this range'
    const filters = this.#filters.map((name) => `--${name}`)
    return `none of ${counted(this.#asked, 'record')} matches ${filters.join(' and ')}`
  }

  /** Writes the buffered output. Resolves when there is room for more, or if stdout is closed. */
  async flush(): Promise<void> {
    this.#endText()
    const gathered = this.#gathered
    this.#gathered = []
    this.#size = 0
    // A large piece is not copied.
    const last = (gathered.at(-1)?.length ?? 0) >= BUFFER_BYTES ? gathered.pop() : undefined
    if (gathered.length > 0) await printBytes(Buffer.concat(gathered))
    if (last !== undefined) await printBytes(last)
  }

  /** Encodes short pieces of text together. */
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
    if (value === null) yield NO_VALUE
    else for (const piece of escapedPieces(value)) yield rendered([piece])
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
  *raw({ value }) {
    if (value === null) return
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
    yield value === null ? ', no value\n' : `, ${counted(value.length, 'byte')}\n`
    if (value !== null) yield* hexDump(value, 0)
  },
}

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

/** The whole value as text. */
function searchable(offset: bigint, value: Uint8Array): string {
  if (value.length > constants.MAX_STRING_LENGTH) {
    const most = formatBytes(constants.MAX_STRING_LENGTH)
    throw new CommandError(
      `cannot apply --grep to the record at offset ${offset}: its value has ${formatBytes(value.length)}, more than ` +
        `${most}; skip it with --from ${offset + 1n}, or export it with --from ${offset} --count 1 --format raw`,
    )
  }
  return Buffer.from(value.buffer, value.byteOffset, value.length).toString('utf8')
}

function compile(pattern: string): RegExp {
  try {
    return new RegExp(pattern)
  } catch (error) {
    throw new UsageError(`--grep expects a regular expression: ${messageOf(error)}`)
  }
}
