/**
 * Iterates over a log in two places: locally from where the local log begins, and before that in the archive. It goes
 * from one to the other whenever the local log has been trimmed past its place.
 */
import type { LogRecord, ReadBatchesOptions, RecordBatch, WalReader } from '@sq/storage'
import { isBeforeStart } from './tiers.ts'
import type { Tiers } from './tiers.ts'

/** Elements of an iteration: records or batches. */
export interface ElementKind<T> {
  readonly read: (reader: WalReader, options: ReadBatchesOptions) => AsyncIterableIterator<T>
  readonly nextOffset: (element: T) => bigint
  readonly records: (element: T) => number
  /** What `maxBytes` counts. */
  readonly bytes: (element: T) => number
}

export const RECORDS: ElementKind<LogRecord> = {
  read: (reader, options) => reader.read(options),
  nextOffset: ({ offset }) => offset + 1n,
  records: () => 1,
  bytes: recordBytes,
}

export const BATCHES: ElementKind<RecordBatch> = {
  read: (reader, options) => reader.readBatches(options),
  nextOffset: ({ nextOffset }) => nextOffset,
  records: ({ recordCount }) => recordCount,
  bytes: ({ bytes }) => bytes.length,
}

/** The bytes that a record and a header take in addition to their contents: see the page of the format. */
const RECORD_OVERHEAD_BYTES = 24
const HEADER_OVERHEAD_BYTES = 8

function recordBytes({ key, value, headers }: LogRecord): number {
  let bytes = RECORD_OVERHEAD_BYTES + (key?.length ?? 0) + (value?.length ?? 0)
  for (const header of headers) bytes += HEADER_OVERHEAD_BYTES + Buffer.byteLength(header.key) + header.value.length
  return bytes
}

/** What is left of a limit, which is not touched before something was used of it. */
function less(limit: number | undefined, used: number): number | undefined {
  return limit === undefined || used === 0 ? limit : limit - used
}

export class TieredIterator<T> implements AsyncIterableIterator<T> {
  readonly #tiers: Tiers
  readonly #kind: ElementKind<T>
  readonly #options: ReadBatchesOptions
  readonly #elements: AsyncGenerator<T, undefined>
  /** The iteration of the place that is being read. */
  #inner: AsyncIterableIterator<T> | null = null
  #isStopped = false
  /** The offset to go on at; null until it is known. */
  #next: bigint | null = null
  /** What was returned so far. */
  #records = 0
  #bytes = 0

  constructor(tiers: Tiers, kind: ElementKind<T>, options: ReadBatchesOptions) {
    this.#tiers = tiers
    this.#kind = kind
    this.#options = options
    this.#elements = this.#iterate()
  }

  next(): Promise<IteratorResult<T, undefined>> {
    return this.#tiers.reading(() => this.#elements.next())
  }

  /** Ends the iteration, also while it waits for more. */
  async return(): Promise<IteratorResult<T, undefined>> {
    this.#isStopped = true
    await this.#inner?.return?.()
    return this.#elements.return(undefined)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async *#iterate(): AsyncGenerator<T, undefined> {
    await this.#begin()
    for (;;) {
      const local = await this.#tiers.local()
      if (local !== null) {
        try {
          yield* this.#read(local, this.#options, null)
          return
        } catch (error) {
          if (!isBeforeStart(error, this.#next ?? 0n)) throw error
        }
      }
      // What is in the archive is durable. `follow` waits in the local log, if there is one.
      const { reader, to } = await this.#tiers.archivedPart(this.#next ?? 0n)
      const options = { ...this.#options, durableOnly: false, follow: to === null && this.#options.follow }
      if (yield* this.#read(reader, options, to)) return
      await this.#tiers.checkContinued()
    }
  }

  /** Finds where to begin. */
  async #begin(): Promise<void> {
    const { from, fromTimestampMs } = this.#options
    if (from !== undefined) this.#next = from
    else if (fromTimestampMs === undefined) this.#next = (await this.#tiers.bounds()).logStartOffset
    else this.#next = (await this.#tiers.offsetAt(fromTimestampMs))?.offset ?? null
  }

  /**
   * Returns elements of one place, up to an offset if there is one. Resolves with whether the iteration is over: its
   * range or its limits were reached, or there is nothing more.
   */
  async *#read(reader: WalReader, options: ReadBatchesOptions, to: bigint | null): AsyncGenerator<T, boolean> {
    if (this.#isStopped) return true
    this.#inner = this.#kind.read(reader, this.#rest(options))
    for await (const element of this.#inner) {
      if (!this.#take(element)) return true
      const next = this.#kind.nextOffset(element)
      this.#next = next
      yield element
      if (this.#isSpent()) return true
      if (to !== null && next >= to) return false
    }
    return true
  }

  /** The options, for what is left to read. */
  #rest(options: ReadBatchesOptions): ReadBatchesOptions {
    if (this.#next === null || this.#next === options.from) return options
    const { maxRecords, maxBytes } = options
    return {
      ...options,
      from: this.#next,
      fromTimestampMs: undefined,
      maxRecords: less(maxRecords, this.#records),
      maxBytes: less(maxBytes, this.#bytes),
    }
  }

  /** Whether an element is within the limits. The first one always is. Each place counts from its own first one. */
  #take(element: T): boolean {
    const { maxRecords = Infinity, maxBytes = Infinity } = this.#options
    const records = this.#records + this.#kind.records(element)
    const bytes = maxBytes === Infinity ? 0 : this.#bytes + this.#kind.bytes(element)
    if (this.#records > 0 && (records > maxRecords || bytes > maxBytes)) return false
    this.#records = records
    this.#bytes = bytes
    return true
  }

  #isSpent(): boolean {
    const { maxRecords = Infinity, maxBytes = Infinity, to } = this.#options
    const isAtEnd = to !== undefined && this.#next !== null && this.#next >= to
    return isAtEnd || this.#records >= maxRecords || this.#bytes >= maxBytes
  }
}
