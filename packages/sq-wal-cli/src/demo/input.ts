/**
 * The records of the demo. They are read from the file each time they are needed: by the parent, which counts and later
 * compares them, and by each child, which appends them. Only one chunk of the file is in memory at a time.
 */
import { isUtf8 } from 'node:buffer'
import { createReadStream } from 'node:fs'
import { access, constants, stat } from 'node:fs/promises'
import type { RecordInput } from '@sq/storage'
import { messageOf } from '../message-of.ts'
import { UsageError } from '../usage-error.ts'
import { ArraySplitter, NotAnArrayError } from './array-splitter.ts'
import { findFlights, parseFlight } from './flights.ts'
import { MADE_FLIGHTS, madeFlights } from './made-flights.ts'
import { LineSplitter } from '../input/line-splitter.ts'

/** A file and its format. Plain data: it is sent to the child as JSON. */
export interface Source {
  readonly path: string
  readonly format: 'flights' | 'made-flights' | 'lines' | 'array'
}

export interface Input extends Source {
  readonly records: number
}

/** The longest line or array element. The limit keeps a file without newlines out of memory. */
const maxItemBytes = 4 * 1024 * 1024
const chunkBytes = 256 * 1024

/**
 * Reads a whole file to find its format and its number of records. Without a path, takes the flights, or generated ones
 * if they are not installed. Throws a `UsageError` for anything but a file of UTF-8 text with at least one record.
 */
export async function inspectInput(path: string | undefined, signal?: AbortSignal): Promise<Input> {
  if (path === undefined) {
    const flights = findFlights()
    if (flights !== null) return count({ path: flights, format: 'flights' }, signal)
    return { path: '', format: 'made-flights', records: MADE_FLIGHTS }
  }
  await checkIsReadableFile(path)
  const input = await count({ path, format: 'array' }, signal).catch((error: unknown) => {
    if (error instanceof NotAnArrayError) return count({ path, format: 'lines' }, signal)
    throw error
  })
  if (input.records === 0) throw new UsageError(`${path} contains no records`)
  return input
}

/** The records from index `from` on, in order. Rejects with an `AbortError` once the signal is aborted. */
export async function* readRecords(
  source: Source,
  options: { readonly from?: number; readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<RecordInput> {
  const from = options.from ?? 0
  let index = firstIndex(source)
  for await (const items of readItems(source, options.signal)) {
    for (const item of items) {
      if (index >= from) yield toRecord(source, item, index)
      index++
    }
  }
}

/** The file of flights starts with a line of column names, before record 0. */
function firstIndex(source: Source): number {
  return source.format === 'flights' ? -1 : 0
}

/** The items of one chunk after the other. Iterate each to its end before you ask for the next. */
async function* readItems(source: Source, signal: AbortSignal | undefined): AsyncGenerator<Iterable<Buffer>> {
  if (source.format === 'made-flights') {
    yield* madeFlights()
    return
  }
  const splitter = source.format === 'array' ? new ArraySplitter() : new LineSplitter()
  const chunks: AsyncIterable<Buffer> = createReadStream(source.path, { highWaterMark: chunkBytes, signal })
  for await (const chunk of chunks) {
    yield splitter.split(chunk)
    checkLength(source, splitter.pendingBytes)
  }
  yield splitter.end()
}

function toRecord(source: Source, item: Buffer, index: number): RecordInput {
  const headers = [{ key: 'index', value: Buffer.from(String(index)) }]
  if (source.format === 'flights' || source.format === 'made-flights') {
    const { key, value, timestampMs } = parseFlight(item.toString('latin1'))
    return { key, value, headers, timestampMs }
  }
  return { key: routeOf(item.toString()), value: item, headers, timestampMs: index }
}

/** `ORIGIN-DESTINATION` for the text of a JSON object that has both, else null. */
function routeOf(text: string): Uint8Array | null {
  if (!text.trimStart().startsWith('{')) return null
  const { origin, destination } = (parseJson(text) ?? {}) as { origin?: unknown; destination?: unknown }
  return typeof origin === 'string' && typeof destination === 'string' ? Buffer.from(`${origin}-${destination}`) : null
}

async function count(source: Source, signal: AbortSignal | undefined): Promise<Input> {
  let records = firstIndex(source)
  for await (const items of readItems(source, signal)) {
    for (const item of items) {
      checkItem(source, item, records)
      records++
    }
  }
  return { ...source, records }
}

function checkItem(source: Source, item: Buffer, index: number): void {
  checkLength(source, item.length)
  if (source.format === 'array') {
    if (!isUtf8(item) || parseJson(item.toString()) === undefined) throw new NotAnArrayError()
  } else if (!isUtf8(item) || item.includes(0)) {
    throw new UsageError(`${source.path} is not a text file: line ${index + 1} is not UTF-8 text`)
  }
}

function checkLength(source: Source, itemBytes: number): void {
  if (itemBytes <= maxItemBytes) return
  if (source.format === 'array') throw new NotAnArrayError()
  throw new UsageError(`${source.path} has a line longer than ${maxItemBytes} bytes`)
}

/** The value of a JSON text. Undefined if the text is not JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

async function checkIsReadableFile(path: string): Promise<void> {
  let found
  try {
    await access(path, constants.R_OK)
    found = await stat(path)
  } catch (error) {
    throw new UsageError(`cannot read the input: ${messageOf(error)}`)
  }
  if (!found.isFile()) throw new UsageError(`${path} is ${found.isDirectory() ? 'a directory' : 'not a regular file'}`)
}
