/** Writes records to stdout, those that are wanted, in one of the formats, as fast as the other side reads. */
import { once } from 'node:events'
import type { LogRecord } from '@sq/storage'
import { colors, formatTime } from '../output.ts'
import { UsageError } from '../usage-error.ts'

type Format = 'text' | 'json' | 'raw' | 'hex'

export interface RecordOptions {
  readonly format: Format
  readonly key?: string
  readonly grep?: string
}

/** So many bytes are gathered before they are written. */
const BUFFER_BYTES = 64 * 1024

export class RecordWriter {
  readonly #format: (record: LogRecord) => string | Buffer
  readonly #key: Buffer | null
  readonly #pattern: RegExp | null
  #gathered: Buffer[] = []
  #bytes = 0
  #ended = false

  constructor({ format, key, grep }: RecordOptions) {
    this.#format = FORMATS[format]
    this.#key = key === undefined ? null : Buffer.from(key)
    this.#pattern = grep === undefined ? null : compile(grep)
    // Whoever reads may have enough: then there is nothing more to do.
    process.stdout.once('close', () => {
      this.#ended = true
    })
  }

  /** Whether nobody reads what is written any more. */
  get ended(): boolean {
    return this.#ended || process.stdout.destroyed
  }

  wants({ key, value }: LogRecord): boolean {
    if (this.#key !== null && (key === null || !this.#key.equals(key))) return false
    return this.#pattern === null || this.#pattern.test(textOf(value))
  }

  async write(record: LogRecord): Promise<void> {
    const formatted = this.#format(record)
    const bytes = typeof formatted === 'string' ? Buffer.from(formatted) : formatted
    this.#gathered.push(bytes)
    this.#bytes += bytes.length
    if (this.#bytes >= BUFFER_BYTES) await this.flush()
  }

  /** Writes what is gathered; resolves when there is room for more, or nobody reads. */
  async flush(): Promise<void> {
    const gathered = Buffer.concat(this.#gathered)
    this.#gathered = []
    this.#bytes = 0
    if (gathered.length === 0 || this.ended || process.stdout.write(gathered)) return
    await Promise.race([once(process.stdout, 'drain'), once(process.stdout, 'close')])
  }
}

const FORMATS: Readonly<Record<Format, (record: LogRecord) => string | Buffer>> = {
  text: ({ offset, timestampMs, key, value, headers }) => {
    const start = `${colors.dim(String(offset))} ${colors.dim(formatTime(timestampMs))} `
    const named = headers.map((header) => `${visible(header.name)}=${visible(textOf(header.value))}`).join(' ')
    const keyed = key === null ? '' : `${colors.cyan(visible(textOf(key)))}: `
    return `${start}${keyed}${visible(textOf(value))}${named === '' ? '' : ` ${colors.dim(`{${named}}`)}`}\n`
  },
  json: ({ offset, timestampMs, key, value, headers }) => {
    const plain = {
      offset: Number(offset),
      timestampMs,
      key: key && jsonOf(key),
      value: jsonOf(value),
      headers: headers.map((header) => ({ name: header.name, value: jsonOf(header.value) })),
    }
    return `${JSON.stringify(plain)}\n`
  },
  raw: ({ value }) => Buffer.concat([value, Buffer.from('\n')]),
  hex: ({ offset, timestampMs, key, value }) => {
    const keyed = key === null ? '' : ` key ${visible(textOf(key))}`
    return `${offset} ${formatTime(timestampMs)}${keyed}, ${value.length} bytes\n${hexDump(value, 0)}`
  },
}

/** Sixteen bytes to a line, as `hexdump -C` has them; positions counted from `from`. */
export function hexDump(bytes: Uint8Array, from: number): string {
  const lines: string[] = []
  for (let at = 0; at < bytes.length; at += 16) {
    const row = Buffer.from(bytes.subarray(at, at + 16))
    const hex = row.toString('hex').replaceAll(/../g, '$& ')
    const halves = hex.length > 24 ? `${hex.slice(0, 24)} ${hex.slice(24)}` : hex
    const letters = row.toString('latin1').replaceAll(/[^ -~]/g, '.')
    lines.push(`  ${colors.dim((from + at).toString(16).padStart(8, '0'))}  ${halves.padEnd(50)}|${letters}|\n`)
  }
  return lines.join('')
}

/** Control characters and what no UTF-8 is, written so that they do nothing to a terminal. */
function visible(text: string): string {
  return JSON.stringify(text)
    .slice(1, -1)
    .replaceAll(String.raw`\"`, '"')
    .replaceAll(/[\u007F-\u009F]/g, (letter) => `\\u00${letter.charCodeAt(0).toString(16)}`)
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
}

function jsonOf(bytes: Uint8Array): string | { base64: string } {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return { base64: Buffer.from(bytes).toString('base64') }
  }
}

function compile(pattern: string): RegExp {
  try {
    return new RegExp(pattern, 'u')
  } catch (error) {
    throw new UsageError(`--grep takes a regular expression: ${error instanceof Error ? error.message : String(error)}`)
  }
}
