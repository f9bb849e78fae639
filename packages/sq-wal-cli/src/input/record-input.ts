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
import { jsonRecord } from './json-record.ts'
import type { JsonFields } from './json-record.ts'
import { LineSplitter } from './line-splitter.ts'
import { PrefixedSplitter } from './prefixed-splitter.ts'
import type { Splitter } from './splitter.ts'

export type InputFormat = 'lines' | 'json' | 'prefixed'

/** The file name that means standard input. */
export const STANDARD_INPUT = '-'

const CHUNK_BYTES = 256 * 1024

export interface InputOptions extends JsonFields {
  readonly format: InputFormat
  readonly signal: AbortSignal
  /** Called for every chunk that is read. */
  readonly onRead: (bytes: number) => void
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
export async function* readInputs(inputs: readonly string[], options: InputOptions): AsyncGenerator<RecordInput> {
  for (const path of inputs) yield* readInput(path, options)
}

async function* readInput(path: string, options: InputOptions): AsyncGenerator<RecordInput> {
  const { format, signal, onRead } = options
  const clock = new SystemClock()
  const splitter = format === 'prefixed' ? new PrefixedSplitter(MAX_RECORD_BYTES) : new LineSplitter()
  const [what, unit] = [nameOf(path), format === 'prefixed' ? 'record' : 'line']
  /** The number of the current record. */
  let number = 1
  try {
    const stream = open(path, signal)
    const chunks = format === 'prefixed' ? stream : withoutByteOrderMark(stream)
    for await (const items of itemsOf(chunks, { splitter, onRead })) {
      for (const item of items) {
        if (format !== 'json') yield { key: null, value: item, headers: [], timestampMs: clock.now() }
        else if (!isBlank(item)) yield jsonRecord(item, options, clock.now())
        number++
      }
    }
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof CommandError) throw new CommandError(`${what}, ${unit} ${number}: ${error.message}`)
    throw new CommandError(`cannot read ${what}, ${unit} ${number}: ${messageOf(error)}`)
  }
}

function nameOf(path: string): string {
  return path === STANDARD_INPUT ? 'standard input' : path
}

function open(path: string, signal: AbortSignal): Readable {
  const stream = path === STANDARD_INPUT ? process.stdin : createReadStream(path, { highWaterMark: CHUNK_BYTES })
  return addAbortSignal(signal, stream)
}

/** The items of one chunk after the other. Iterate each to its end before you ask for the next. */
async function* itemsOf(
  stream: AsyncIterable<Buffer>,
  { splitter, onRead }: { splitter: Splitter; onRead: (bytes: number) => void },
): AsyncGenerator<Iterable<Buffer>> {
  for await (const chunk of stream) {
    yield splitter.split(chunk)
    if (splitter.pendingBytes > MAX_RECORD_BYTES) {
      throw new CommandError(`longer than ${MAX_RECORD_BYTES} bytes, the maximum size of a record`)
    }
    onRead(chunk.length)
  }
  yield splitter.end()
}

function isBlank(line: Buffer): boolean {
  return line.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d)
}
