/**
 * Selects what an iteration returns of the commits that its stream finds: records, or whole commits as batches, within
 * the range and the limits of the caller.
 */
import type { Frame } from '../format/frame.ts'
import { RecordBatch } from '../format/record-batch.ts'
import { readTimestamps, recordBytes, RecordDecoder } from '../format/record.ts'
import type { LogRecord } from '../format/record.ts'
import { notRecords } from '../segments/damage.ts'
import type { LocatedFrame } from '../segments/segment-file.ts'
import type { FrameStream } from './frame-stream.ts'
import type { ReadRange } from './read-options.ts'

/** The number of records decoded at a time: a commit may hold a hundred thousand when the caller wants one. */
const PAGE_RECORDS = 256

/** A commit as the elements that an iteration returns. */
export interface CommitElements<T> {
  readonly frame: Frame
  /** The number of records in each element. */
  readonly recordsEach: number
  /** The number of elements in the range that were not taken yet. */
  readonly left: number
  /** Takes the next elements, some at a time. Throws `CorruptLogError` if the commit does not consist of records. */
  take(): readonly T[]
  offsetAfter(element: T): number
  bytesOf(element: T): number
  /** Throws as `take` does. */
  latestTimestampMs(element: T): number
}

export type ElementsOf<T> = (located: LocatedFrame, range: ReadRange) => CommitElements<T>

/** What was returned so far. */
export interface ReadCounters {
  records: number
  commits: number
  bytes: number
}

export class Selection<T> {
  readonly #range: ReadRange
  readonly #elementsOf: ElementsOf<T>
  readonly #counters: ReadCounters
  readonly #budget: Budget
  /** Whether an element had the wanted time; those after it are returned whatever their timestamps. */
  #isReached: boolean
  #isOver = false
  /** The commit whose elements are being taken, and the one that was counted last. */
  #commit: CommitElements<T> | null = null
  #counted: CommitElements<T> | null = null

  constructor(range: ReadRange, elementsOf: ElementsOf<T>, counters: ReadCounters) {
    this.#range = range
    this.#elementsOf = elementsOf
    this.#counters = counters
    this.#budget = new Budget(range)
    this.#isReached = range.fromTimestampMs === null
  }

  /** Whether everything asked for was taken. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** The next elements, all of one commit; none if the stream has no commit available, or if the selection is over. */
  take(stream: Pick<FrameStream, 'isInterrupted' | 'take' | 'give'>): readonly T[] {
    // What was found before an interruption may no longer be in the log.
    if (stream.isInterrupted) this.#commit = null
    while (!this.#isOver) {
      const commit = this.#nextCommit(stream)
      if (commit === null) return []
      const elements = this.#sinceReached(commit)
      const taken = this.#budget.takeSome(elements, commit)
      this.#isOver = taken.length < elements.length || this.#budget.isSpent
      const last = taken.at(-1)
      if (last === undefined) continue
      this.#count(commit, taken.length)
      stream.give(commit.offsetAfter(last))
      return taken
    }
    return []
  }

  /** The commit at hand while it has elements left, then the next one. */
  #nextCommit(stream: Pick<FrameStream, 'take'>): CommitElements<T> | null {
    if (this.#commit !== null && this.#commit.left > 0) return this.#commit
    const located = stream.take()
    this.#isOver = located !== null && located.frame.header.baseOffset >= this.#range.to
    this.#commit = located === null || this.#isOver ? null : this.#elementsOf(located, this.#range)
    return this.#commit
  }

  /** The next elements of a commit, from the first one on that reaches the wanted time. */
  #sinceReached(commit: CommitElements<T>): readonly T[] {
    const elements = commit.take()
    if (this.#isReached) return elements
    const sinceMs = this.#range.fromTimestampMs ?? 0
    const first = elements.findIndex((element) => commit.latestTimestampMs(element) >= sinceMs)
    this.#isReached = first !== -1
    return this.#isReached ? elements.slice(first) : []
  }

  #count(commit: CommitElements<T>, elements: number): void {
    this.#counters.records += elements * commit.recordsEach
    if (this.#counted === commit) return
    this.#counted = commit
    this.#counters.commits++
    this.#counters.bytes += commit.frame.bytes.length
  }
}

/** The records of a commit that lie in a range: the first commit may begin before it, the last may end after it. */
export class CommitRecords implements CommitElements<LogRecord> {
  readonly frame: Frame
  readonly recordsEach = 1
  readonly #path: string
  readonly #decoder: RecordDecoder
  left: number

  constructor({ segment, frame }: LocatedFrame, { from, to }: ReadRange) {
    const { baseOffset, recordCount } = frame.header
    const before = Math.max((from ?? 0) - baseOffset, 0)
    this.frame = frame
    this.#path = segment.path
    this.#decoder = new RecordDecoder(frame.body, frame.header)
    this.left = Math.max(Math.min(recordCount, to - baseOffset) - before, 0)
    if (!this.#decoder.skip(before)) throw notRecords(this.#path, frame.header)
  }

  take(): readonly LogRecord[] {
    const records = this.#decoder.take(Math.min(this.left, PAGE_RECORDS))
    if (records === null) throw notRecords(this.#path, this.frame.header)
    this.left -= records.length
    return records
  }

  offsetAfter({ offset }: LogRecord): number {
    return Number(offset) + 1
  }

  bytesOf(record: LogRecord): number {
    return recordBytes(record)
  }

  latestTimestampMs({ timestampMs }: LogRecord): number {
    return timestampMs
  }
}

/** A whole commit, undecoded. */
export class CommitBatch implements CommitElements<RecordBatch> {
  readonly frame: Frame
  readonly recordsEach: number
  readonly #path: string
  readonly #batch: RecordBatch
  left = 1

  constructor({ segment, frame, batch = RecordBatch.ofFrame(frame) }: LocatedFrame) {
    this.frame = frame
    this.recordsEach = frame.header.recordCount
    this.#path = segment.path
    this.#batch = batch
  }

  take(): readonly RecordBatch[] {
    this.left = 0
    return [this.#batch]
  }

  offsetAfter({ nextOffset }: RecordBatch): number {
    return Number(nextOffset)
  }

  bytesOf({ bytes }: RecordBatch): number {
    return bytes.length
  }

  latestTimestampMs({ recordCount }: RecordBatch): number {
    let latest = 0
    const isWhole = readTimestamps(this.frame.body, recordCount, (timestampMs) => {
      latest = Math.max(latest, timestampMs)
    })
    if (!isWhole) throw notRecords(this.#path, this.frame.header)
    return latest
  }
}

/** How much was taken, and whether more is allowed. */
class Budget {
  readonly #maxRecords: number
  readonly #maxBytes: number
  #records = 0
  #bytes = 0

  constructor({ maxRecords, maxBytes }: ReadRange) {
    this.#maxRecords = maxRecords
    this.#maxBytes = maxBytes
  }

  get isSpent(): boolean {
    return this.#records >= this.#maxRecords || this.#bytes >= this.#maxBytes
  }

  /** As many of these elements, from the first on, as are allowed. */
  takeSome<T>(elements: readonly T[], commit: CommitElements<T>): readonly T[] {
    const { recordsEach } = commit
    const records = this.#records + elements.length * recordsEach
    if (this.#maxBytes === Infinity && records <= this.#maxRecords) {
      this.#records = records
      return elements
    }
    const end = elements.findIndex((element) => !this.#take(recordsEach, commit.bytesOf(element)))
    return end === -1 ? elements : elements.slice(0, end)
  }

  /** Whether an element is allowed. The first one always is, whatever its size. */
  #take(elementRecords: number, elementBytes: number): boolean {
    const [records, bytes] = [this.#records + elementRecords, this.#bytes + elementBytes]
    if (this.#records > 0 && (records > this.#maxRecords || bytes > this.#maxBytes)) return false
    this.#records = records
    this.#bytes = bytes
    return true
  }
}
