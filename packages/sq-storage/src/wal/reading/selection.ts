/**
 * Selects what an iteration returns of the commits that its stream finds: records, or whole commits as batches, within
 * the range and the limits of the caller.
 */
import { OpaqueBatchError } from '../../errors.ts'
import { contentOf, firstSince } from '../format/batch-body.ts'
import { nextOffsetAfter } from '../format/frame.ts'
import type { Frame } from '../format/frame.ts'
import { RecordBatch } from '../format/record-batch.ts'
import { recordBytes, RecordDecoder } from '../format/record.ts'
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
  /**
   * Takes the next elements, some at a time, without those before the first one that has a time, in milliseconds since
   * 1970. Throws `CorruptLogError` if the commit does not hold what its header states, and `OpaqueBatchError` if it has
   * no such elements.
   */
  take(sinceMs: number): readonly T[]
  /**
   * Elements that were just taken, with a single one that holds more than this number of records cut to it if possible.
   */
  atMost(elements: readonly T[], records: number): readonly T[]
  offsetAfter(element: T): number
  bytesOf(element: T): number
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
  /** The wanted time. 0 once an element had it: those after it are returned whatever their timestamps. */
  #sinceMs: number
  #isOver = false
  /** The commit whose elements are being taken, and whether it was counted. Null once all are taken. */
  #commit: CommitElements<T> | null = null
  #isCounted = false

  constructor(range: ReadRange, elementsOf: ElementsOf<T>, counters: ReadCounters) {
    this.#range = range
    this.#elementsOf = elementsOf
    this.#counters = counters
    this.#budget = new Budget(range)
    this.#sinceMs = range.fromTimestampMs ?? 0
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
      const elements = commit.atMost(commit.take(this.#sinceMs), this.#budget.recordsLeft)
      if (elements.length > 0) this.#sinceMs = 0
      const taken = this.#budget.takeSome(elements, commit)
      // A reader that waits for the next commit does not keep this one in memory.
      if (commit.left === 0) this.#commit = null
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
    if (this.#commit !== null) return this.#commit
    const located = stream.take()
    this.#isOver = located !== null && located.frame.header.baseOffset >= this.#range.to
    this.#commit = located === null || this.#isOver ? null : this.#elementsOf(located, this.#range)
    this.#isCounted = false
    return this.#commit
  }

  #count(commit: CommitElements<T>, elements: number): void {
    this.#counters.records += elements * commit.recordsEach
    if (this.#isCounted) return
    this.#isCounted = true
    this.#counters.commits++
    this.#counters.bytes += commit.frame.bytes.length
  }
}

/** The records of a commit that lie in a range: the first commit may begin before it, the last may end after it. */
export class CommitRecords implements CommitElements<LogRecord> {
  readonly frame: Frame
  readonly recordsEach = 1
  readonly #path: string
  /** Null if the commit is an opaque batch. */
  readonly #decoder: RecordDecoder | null
  readonly #latestMs: number
  left: number

  constructor({ segment, frame }: LocatedFrame, { from, to }: ReadRange) {
    const { baseOffset, recordCount, attributes } = frame.header
    const before = Math.max((from ?? 0) - baseOffset, 0)
    this.frame = frame
    this.#path = segment.path
    const content = contentOf(frame.body, attributes)
    if (content === null) throw notRecords(this.#path, frame.header)
    this.#decoder = content.records && new RecordDecoder(content.records, frame.header)
    this.#latestMs = content.opaque?.maxTimestampMs ?? Infinity
    this.left = Math.max(Math.min(recordCount, to - baseOffset) - before, 0)
    if (this.#decoder?.skip(before) === false) throw notRecords(this.#path, frame.header)
  }

  take(sinceMs: number): readonly LogRecord[] {
    const taken = Math.min(this.left, PAGE_RECORDS)
    if (taken === 0) return []
    if (this.#decoder === null) return this.#passOpaque(sinceMs)
    const records = this.#decoder.take(taken)
    if (records === null) throw notRecords(this.#path, this.frame.header)
    this.left -= records.length
    if (sinceMs === 0) return records
    const first = records.findIndex(({ timestampMs }) => timestampMs >= sinceMs)
    return first === -1 ? [] : records.slice(first)
  }

  /** Nothing can be returned of an opaque batch. One with earlier times only is passed over. */
  #passOpaque(sinceMs: number): readonly LogRecord[] {
    this.left = 0
    if (this.#latestMs < sinceMs) return []
    const { baseOffset } = this.frame.header
    throw new OpaqueBatchError(`cannot read the records of ${this.#path}`, {
      baseOffset: BigInt(baseOffset),
      nextOffset: BigInt(nextOffsetAfter(this.frame.header)),
    })
  }

  atMost(records: readonly LogRecord[]): readonly LogRecord[] {
    return records
  }

  offsetAfter({ offset }: LogRecord): number {
    return Number(offset) + 1
  }

  bytesOf(record: LogRecord): number {
    return recordBytes(record)
  }
}

/** A commit, undecoded: whole or, with `exact`, without what lies outside the range. */
export class CommitBatch implements CommitElements<RecordBatch> {
  readonly frame: Frame
  readonly #path: string
  readonly #isExact: boolean
  #batch: RecordBatch
  left = 1

  constructor({ segment, frame, batch = RecordBatch.ofFrame(frame) }: LocatedFrame, { exact, from, to }: ReadRange) {
    this.frame = frame
    this.#path = segment.path
    if (batch === null) throw notRecords(this.#path, frame.header)
    this.#batch = batch
    this.#isExact = exact && !batch.isOpaque
    const { baseOffset } = frame.header
    const nextOffset = nextOffsetAfter(frame.header)
    const [first, end] = [Math.max(from ?? 0, baseOffset), Math.min(to, nextOffset)]
    if (this.#isExact && first >= end) this.left = 0
    else if (this.#isExact) this.#cut(first, end)
    // Nothing at or after `to` may be returned, and an opaque batch cannot be cut.
    else if (exact && to < nextOffset) this.left = 0
  }

  get recordsEach(): number {
    return this.#batch.recordCount
  }

  take(sinceMs: number): readonly RecordBatch[] {
    if (this.left === 0) return []
    this.left = 0
    if (sinceMs > 0 && !this.#cutBefore(sinceMs)) return []
    return [this.#batch]
  }

  atMost(batches: readonly RecordBatch[], records: number): readonly RecordBatch[] {
    if (!this.#isExact || batches.length === 0 || this.recordsEach <= records) return batches
    const from = Number(this.#batch.baseOffset)
    this.#cut(from, from + records)
    return [this.#batch]
  }

  offsetAfter({ nextOffset }: RecordBatch): number {
    return Number(nextOffset)
  }

  bytesOf({ bytes }: RecordBatch): number {
    return bytes.length
  }

  /** Drops, with `exact`, the records before the first one that reaches a time. False if none of the batch does. */
  #cutBefore(sinceMs: number): boolean {
    const { body, header } = this.frame
    const index = firstSince(body, header, sinceMs)
    if (index === null) throw notRecords(this.#path, header)
    const [first, end] = [header.baseOffset + index, this.offsetAfter(this.#batch)]
    if (first >= end) return false
    if (this.#isExact) this.#cut(first, end)
    return true
  }

  #cut(from: number, to: number): void {
    const part = this.#batch.part(BigInt(from), BigInt(to))
    if (part === null) throw notRecords(this.#path, this.frame.header)
    this.#batch = part
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

  get recordsLeft(): number {
    return this.#maxRecords - this.#records
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
