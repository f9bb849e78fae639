/** Reads the records of files and of standard input, one after another, for `sq-wal append`. */
import { createReadStream, fstat } from 'node:fs'
import type { Stats } from 'node:fs'
import { stat } from 'node:fs/promises'
import { addAbortSignal } from 'node:stream'
import type { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { SystemClock } from '@sq/sim'
import type { RecordInput } from '@sq/storage'
import { CommandError } from '../command-error.ts'
import { MAX_RECORD_BYTES } from '../limits.ts'
import { messageOf } from '../message-of.ts'
import { withoutByteOrderMark } from './byte-order-mark.ts'
import { decompressed } from './compression.ts'
import { jsonRecord } from './json-record.ts'
import type { JsonFields } from './json-record.ts'
import { LineSplitter } from './line-splitter.ts'
import { PrefixedSplitter } from './prefixed-splitter.ts'
import type { Splitter } from './splitter.ts'
import { sqRecord } from './sq-record.ts'

export type InputFormat = 'lines' | 'json' | 'sq' | 'prefixed'

/** The file name that means standard input. */
export const STANDARD_INPUT = '-'

const CHUNK_BYTES = 256 * 1024

export interface InputOptions extends JsonFields {
  readonly format: InputFormat
  readonly signal: AbortSignal
  /** Called for every chunk that is read, before it is decompressed. */
  readonly onRead: (bytes: number) => void
  /** Called at most once for each input, if it may not be what the format expects. */
  readonly onDoubt: (message: string) => void
}

/** The total size of the inputs, or null if it is unknown. Rejects with a `CommandError` if an input is not a file. */
export async function inputBytes(inputs: readonly string[]): Promise<number | null> {
  let total: number | null = 0
  for (const path of inputs) {
    const found = await statInput(path)
    if (found.isDirectory()) throw new CommandError(`${nameOf(path)} is a directory`)
    total = total === null || !found.isFile() ? null : total + found.size
  }
  return total
}

async function statInput(path: string): Promise<Stats> {
  try {
    return await (path === STANDARD_INPUT ? promisify(fstat)(0) : stat(path))
  } catch (error) {
    throw new CommandError(`cannot read the input: ${messageOf(error)}`)
  }
}

/** Rejects with a `CommandError` that names the input and the record, or with the signal's reason. */
export async function* readInputs(inputs: readonly string[], options: InputOptions): AsyncGenerator<InputRecord> {
  for (const path of inputs) yield* readInput(path, options)
}

/** A record of an input. In the format `sq` it has the offset that it had. */
export interface InputRecord extends RecordInput {
  readonly offset?: bigint | null
}

async function* readInput(path: string, options: InputOptions): AsyncGenerator<InputRecord> {
  const { format, signal, onRead, onDoubt } = options
  const clock = new SystemClock()
  const splitter = format === 'prefixed' ? new PrefixedSplitter(MAX_RECORD_BYTES) : new LineSplitter()
  const [what, unit] = [nameOf(path), format === 'prefixed' ? 'record' : 'line']
  const doubt = new Doubt(format)
  /** The number of the current record. */
  let number = 1
  try {
    const bytes = decompressed(counted(open(path, signal), onRead))
    const chunks = format === 'prefixed' ? bytes : withoutByteOrderMark(bytes)
    for await (const items of itemsOf(chunks, splitter)) {
      for (const item of items) {
        if (format === 'lines' || format === 'prefixed' || !isBlank(item)) {
          doubt.saw(item)
          yield recordOf(item, options, clock.now())
        }
        number++
      }
    }
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof CommandError) throw new CommandError(`${what}, ${unit} ${number}: ${error.message}`)
    throw new CommandError(`cannot read ${what}, ${unit} ${number}: ${messageOf(error)}`)
  }
  const doubtful = doubt.describe()
  if (doubtful !== null) onDoubt(`${what}: ${doubtful}`)
}

function recordOf(item: Buffer, options: InputOptions, nowMs: number): InputRecord {
  if (options.format === 'sq') return sqRecord(item)
  return options.format === 'json'
    ? jsonRecord(item, options, nowMs)
    : { key: null, value: item, headers: [], timestampMs: nowMs }
}

/** Notices that an input was split in a way that may not have been meant. */
class Doubt {
  readonly #format: InputFormat
  #records = 0
  /** The number of the first line with a NUL byte. */
  #binaryLine = 0
  #isArray = false

  constructor(format: InputFormat) {
    this.#format = format
  }

  saw(item: Buffer): void {
    this.#records++
    if (this.#format === 'lines' && this.#binaryLine === 0 && item.includes(0)) this.#binaryLine = this.#records
    if (this.#format === 'json' && this.#records === 1)
      this.#isArray = item.toString('latin1').trimStart().startsWith('[')
  }

  /** Null if there is no doubt. */
  describe(): string | null {
    if (this.#binaryLine > 0) {
      return `line ${this.#binaryLine} has NUL bytes; if the input is binary, a newline byte does not end a record: use --format prefixed`
    }
    if (!this.#isArray || this.#records > 1) return null
    return "the input is one JSON array, which was appended as one record; to append each element: jq -c '.[]'"
  }
}

function nameOf(path: string): string {
  return path === STANDARD_INPUT ? 'standard input' : path
}

function open(path: string, signal: AbortSignal): Readable {
  const stream = path === STANDARD_INPUT ? process.stdin : createReadStream(path, { highWaterMark: CHUNK_BYTES })
  return addAbortSignal(signal, stream)
}

/** Reports the size of each chunk once it is used. */
async function* counted(stream: AsyncIterable<Buffer>, onRead: (bytes: number) => void): AsyncGenerator<Buffer> {
  for await (const chunk of stream) {
    yield chunk
    onRead(chunk.length)
  }
}

/** The items of one chunk after the other. Iterate each to its end before you ask for the next. */
async function* itemsOf(stream: AsyncIterable<Buffer>, splitter: Splitter): AsyncGenerator<Iterable<Buffer>> {
  for await (const chunk of stream) {
    yield splitter.split(chunk)
    if (splitter.pendingBytes > MAX_RECORD_BYTES) {
      throw new CommandError(`longer than ${MAX_RECORD_BYTES} bytes, the maximum size of a record`)
    }
  }
  yield splitter.end()
}

function isBlank(line: Buffer): boolean {
  return line.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d)
}
