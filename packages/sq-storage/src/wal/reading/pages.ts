/** The contents of the frames of a range, as a reader returns them: whole commits, or records. */
import type { Frame } from '../format/frame.ts'
import { RecordBatch } from '../format/record-batch.ts'
import { readTimestamps, recordBytes, RecordDecoder } from '../format/record.ts'
import type { LogRecord } from '../format/record.ts'
import { notRecords } from '../segments/damage.ts'
import type { LocatedFrame } from '../segments/segment-file.ts'
import type { FrameStream } from './frame-stream.ts'
import type { Pages } from './page-iterator.ts'
import type { ReadRange } from './read-options.ts'

/** The number of records decoded at a time: a commit may hold a hundred thousand when the caller wants one. */
const PAGE_RECORDS = 256

/** What to return, and where to count it. */
export interface PagesContext {
  readonly stream: FrameStream
  readonly range: ReadRange
  /** Called with the number of returned records, and with their frame if they are the first of it. */
  readonly count: (records: number, frame: Frame | null) => void
}

/** The commits of a range; each is a page. */
export class BatchPages implements Pages<RecordBatch> {
  readonly #context: PagesContext
  readonly #budget: Budget
  readonly #sinceMs: number
  #isReached: boolean
  #isOver = false

  constructor(context: PagesContext) {
    this.#context = context
    this.#budget = new Budget(context.range)
    this.#sinceMs = context.range.fromTimestampMs ?? 0
    this.#isReached = context.range.fromTimestampMs === null
  }

  take(): readonly RecordBatch[] {
    const { stream, range, count } = this.#context
    for (let located = stream.take(); located !== null; located = stream.take()) {
      const { frame, batch = RecordBatch.ofFrame(frame) } = located
      const { baseOffset, recordCount } = frame.header
      this.#isReached ||= latestTimestamp(located) >= this.#sinceMs
      if (!this.#isReached) continue
      this.#isOver = baseOffset >= range.to || !this.#budget.take(recordCount, frame.body.length)
      if (this.#isOver) return []
      count(recordCount, frame)
      stream.give(baseOffset + recordCount)
      return [batch]
    }
    return []
  }

  startsWaiting(): boolean {
    return !this.#isOver && this.#context.stream.startsWaiting()
  }

  more(): Promise<boolean> {
    return more(this.#context.stream, this.#isOver)
  }

  close(): Promise<void> {
    return this.#context.stream.close()
  }
}

/** The records of a range; a page holds some records of one commit. */
export class RecordPages implements Pages<LogRecord> {
  readonly #context: PagesContext
  readonly #budget: Budget
  readonly #sinceMs: number
  #isReached: boolean
  #isOver = false
  /** The commit being returned, and the one that was counted last. */
  #commit: CommitRecords | null = null
  #counted: CommitRecords | null = null

  constructor(context: PagesContext) {
    this.#context = context
    this.#budget = new Budget(context.range)
    this.#sinceMs = context.range.fromTimestampMs ?? 0
    this.#isReached = context.range.fromTimestampMs === null
  }

  take(): readonly LogRecord[] {
    const { stream, range, count } = this.#context
    while (!this.#isOver) {
      if (stream.isInterrupted) this.#commit = null
      if (this.#commit === null || this.#commit.left === 0) {
        const located = stream.take()
        if (located === null) return []
        this.#commit = new CommitRecords(located, range)
      }
      const records = this.#sinceReached(this.#commit.take())
      const taken = this.#budget.takeSome(records)
      this.#isOver = taken.length < records.length || this.#budget.isSpent
      if (taken.length === 0) continue
      count(taken.length, this.#counted === this.#commit ? null : this.#commit.frame)
      this.#counted = this.#commit
      stream.give(Number(taken.at(-1)?.offset) + 1)
      return taken
    }
    return []
  }

  startsWaiting(): boolean {
    return !this.#isOver && this.#context.stream.startsWaiting()
  }

  more(): Promise<boolean> {
    return more(this.#context.stream, this.#isOver)
  }

  close(): Promise<void> {
    return this.#context.stream.close()
  }

  /** The records from the first one that reaches the wanted time on; all of them once it was reached. */
  #sinceReached(records: readonly LogRecord[]): readonly LogRecord[] {
    if (this.#isReached) return records
    const first = records.findIndex(({ timestampMs }) => timestampMs >= this.#sinceMs)
    this.#isReached = first !== -1
    return this.#isReached ? records.slice(first) : []
  }
}

/**
 * Calls `more` of the stream even if everything asked for was returned, so that an iteration ended by an error gets
 * that error.
 */
function more(stream: FrameStream, isOver: boolean): Promise<boolean> {
  return isOver && !stream.isInterrupted ? Promise.resolve(false) : stream.more()
}

/** The records of one commit that lie in a range. The first commit may begin before it, the last may end after it. */
class CommitRecords {
  readonly frame: Frame
  readonly #path: string
  readonly #decoder: RecordDecoder
  /** The number of records left. */
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

  /** The next page of records. */
  take(): readonly LogRecord[] {
    const records = this.#decoder.take(Math.min(this.left, PAGE_RECORDS))
    if (records === null) throw notRecords(this.#path, this.frame.header)
    this.left -= records.length
    return records
  }
}

function latestTimestamp({ segment, frame: { header, body } }: LocatedFrame): number {
  let latest = 0
  const isWhole = readTimestamps(body, header.recordCount, (timestampMs) => {
    latest = Math.max(latest, timestampMs)
  })
  if (!isWhole) throw notRecords(segment.path, header)
  return latest
}

/** The records and bytes that may still be returned. */
class Budget {
  #records: number
  #bytes: number
  readonly #countsBytes: boolean
  #isFirst = true

  constructor({ maxRecords, maxBytes }: ReadRange) {
    this.#records = maxRecords
    this.#bytes = maxBytes
    this.#countsBytes = maxBytes !== Infinity
  }

  get isSpent(): boolean {
    return this.#records <= 0 || this.#bytes <= 0
  }

  /** Whether this much is allowed. The first item always is, whatever its size. */
  take(records: number, bytes: number): boolean {
    if (!this.#isFirst && (records > this.#records || bytes > this.#bytes)) return false
    this.#isFirst = false
    this.#records -= records
    this.#bytes -= bytes
    return true
  }

  /** As many of these records, from the first on, as are allowed. */
  takeSome(records: readonly LogRecord[]): readonly LogRecord[] {
    if (!this.#countsBytes && records.length <= this.#records) {
      this.#records -= records.length
      return records
    }
    const end = records.findIndex((record) => !this.take(1, recordBytes(record)))
    return end === -1 ? records : records.slice(0, end)
  }
}
