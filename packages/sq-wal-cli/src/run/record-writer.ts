/** Writes records to stdout, those that are wanted, in one of the formats, as fast as the other side reads. */
import type { LogRecord } from '@sq/storage'
import { messageOf } from '../message-of.ts'
import { colors, formatTime, jsonOf, print, visible } from '../output.ts'
import { UsageError } from '../usage-error.ts'

type Format = 'text' | 'json' | 'raw' | 'hex'

export interface RecordOptions {
  readonly format: Format
  readonly key?: string
  readonly grep?: string
  readonly durableOnly?: boolean
}

/** So many bytes are gathered before they are written. */
const BUFFER_BYTES = 64 * 1024

export class RecordWriter {
  readonly #format: (record: LogRecord) => string | Buffer
  readonly #key: Buffer | null
  readonly #pattern: RegExp | null
  #gathered: Buffer[] = []
  #bytes = 0

  constructor({ format, key, grep }: RecordOptions) {
    this.#format = FORMATS[format]
    this.#key = key === undefined ? null : Buffer.from(key)
    this.#pattern = grep === undefined ? null : compile(grep)
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
    if (gathered.length > 0) await print(gathered)
  }
}

const FORMATS: Readonly<Record<Format, (record: LogRecord) => string | Buffer>> = {
  text: ({ offset, timestampMs, key, value, headers }) => {
    const start = `${colors.dim(String(offset))} ${colors.dim(formatTime(timestampMs))} `
    const keyed = key === null ? '' : `${colors.cyan(shown(key))}: `
    const named = namesOf(headers)
    return `${start}${keyed}${shown(value)}${named === '' ? '' : ` ${colors.dim(named)}`}\n`
  },
  json: ({ offset, timestampMs, key, value, headers }) => {
    const plain = {
      offset: Number(offset),
      timestampMs,
      key: key && textOrBase64(key),
      value: textOrBase64(value),
      headers: headers.map((header) => ({ name: header.name, value: textOrBase64(header.value) })),
    }
    return `${jsonOf(plain)}\n`
  },
  raw: ({ value }) => Buffer.concat([value, Buffer.from('\n')]),
  hex: ({ offset, timestampMs, key, value, headers }) => {
    const keyed = key === null ? '' : ` key ${shown(key)}`
    const named = headers.length === 0 ? '' : ` ${namesOf(headers)}`
    return `${offset} ${formatTime(timestampMs)}${keyed}${named}, ${value.length} bytes\n${hexDump(value, 0)}`
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

/** `{name=value other=value}`; nothing where there are none. */
function namesOf(headers: LogRecord['headers']): string {
  const named = headers.map(({ name, value }) => `${escaped(name)}=${shown(value)}`)
  return named.length === 0 ? '' : `{${named.join(' ')}}`
}

/** Bytes as text on a terminal. */
function shown(bytes: Uint8Array): string {
  return escaped(textOf(bytes))
}

/** Backslashes and control characters as JSON has them, so that it can be told what stood there. */
function escaped(text: string): string {
  return visible(JSON.stringify(text).slice(1, -1).replaceAll(String.raw`\"`, '"'))
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
}

function textOrBase64(bytes: Uint8Array): string | { base64: string } {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return { base64: Buffer.from(bytes).toString('base64') }
  }
}

function compile(pattern: string): RegExp {
  try {
    return new RegExp(pattern)
  } catch (error) {
    throw new UsageError(`--grep takes a regular expression: ${messageOf(error)}`)
  }
}
