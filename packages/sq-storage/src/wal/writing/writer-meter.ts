/** Counts and times what a writer does, for `WalWriter.stats`, and publishes it (`diagnostics.ts`). */
import type { Clock } from '@sq/sim'
import type { ClosedSegment, SegmentInfo } from '../segments/describe.ts'
import type { Partition } from '../segments/partition.ts'
import type { Waiter } from './commit.ts'
import { hasListeners, publish } from './diagnostics.ts'
import type {
  AbandonEvent,
  CommitReason,
  DeleteRecordsEvent,
  ResetEvent,
  RotateReason,
  TruncateEvent,
} from './diagnostics.ts'
import type { Recovery } from './recovery.ts'

/** How large a log is, as its writer knows. */
export interface LogExtent {
  /** The number of its segments. */
  readonly segments: number
  /** The size of their files, preallocated zeros included. */
  readonly diskBytes: number
  /** The bytes of the active segment, without preallocated zeros; 0 if none is open. */
  readonly activeSegmentBytes: number
  /**
   * The smallest and the largest timestamp of the records in its segments, in milliseconds since 1970. Null if it has
   * none, and while those of a segment are not known: of one that an earlier writer ended, or that was shortened by a
   * truncation, until `deleteSegments` has looked at it. `listSegments` reads them. Deleted records of the first
   * segment count.
   */
  readonly oldestTimestampMs: number | null
  readonly newestTimestampMs: number | null
}

/**
 * Counters of a writer since it was opened, its backlog, and the extent of its log. A snapshot: it does not change
 * later.
 */
export interface WriterStats extends LogExtent {
  /** The log end offset: the offset after the last durable record. */
  readonly nextOffset: bigint
  /** Acknowledged records, the commits that they were in, and the bytes of the frames of those commits. */
  readonly records: number
  readonly commits: number
  readonly bytes: number
  /**
   * Commits that were not made durable. Appends that waited behind them and were rejected with them are not counted.
   */
  readonly failedCommits: number
  /** The total time of commits in milliseconds, including failed ones, and the time of the longest one. */
  readonly commitMs: number
  readonly longestCommitMs: number
  /** Sealed segments, segments abandoned after a failed write, and deleted segments. */
  readonly rotations: number
  readonly abandonedSegments: number
  readonly deletions: number
  /**
   * How often MARKs or a SEAL could not be written: when the log was opened (`Recovery.markError`), at the end of a
   * segment, or on closing. No record is lost then, but damage to the last commit may be taken for a torn commit.
   */
  readonly failedMarks: number
  /** Records that wait to become durable, and what they count for in `maxPendingBytes`. */
  readonly pendingRecords: number
  readonly pendingBytes: number
}

/** The fields that only the writer knows. */
type Level = 'nextOffset' | 'pendingRecords' | 'pendingBytes' | keyof LogExtent

/** A commit that is about to be written. */
export interface CommitAttempt {
  readonly baseOffset: number
  readonly records: number
  readonly bytes: number
  readonly reason: CommitReason
}

export class WriterMeter {
  readonly #partition: Partition
  readonly #clock: Clock
  readonly #startedMs: number
  #writing = false
  readonly #counters: Record<Exclude<keyof WriterStats, Level>, number> = {
    records: 0,
    commits: 0,
    bytes: 0,
    failedCommits: 0,
    commitMs: 0,
    longestCommitMs: 0,
    rotations: 0,
    abandonedSegments: 0,
    deletions: 0,
    failedMarks: 0,
  }

  /** Create it when recovery begins: it measures the time from then on. */
  constructor(partition: Partition, clock: Clock) {
    this.#partition = partition
    this.#clock = clock
    this.#startedMs = clock.monotonic()
  }

  /** Whether a commit is being written. */
  get writing(): boolean {
    return this.#writing
  }

  recovered(recovery: Recovery): void {
    if (recovery.markError !== null) this.markFailed()
    publish('sq:wal:recover', this.#partition, () => ({ recovery, durationMs: this.#since(this.#startedMs) }))
  }

  /** A waiter that publishes the append when it is acknowledged. */
  appending(waiter: Waiter, append: { readonly records: number; readonly bytes: number }): Waiter {
    if (!hasListeners('sq:wal:append')) return waiter
    const startedMs = this.#clock.monotonic()
    return {
      resolve: (offset) => {
        waiter.resolve(offset)
        publish('sq:wal:append', this.#partition, () => ({ ...append, offset, durationMs: this.#since(startedMs) }))
      },
      reject: waiter.reject,
    }
  }

  /**
   * Starts the time of a commit. Call the returned function with the result: null if it is durable. That function never
   * throws.
   */
  committing(attempt: CommitAttempt): (error: Error | null) => void {
    const startedMs = this.#clock.monotonic()
    this.#writing = true
    return (error) => {
      this.#writing = false
      const durationMs = this.#since(startedMs)
      const counters = this.#counters
      counters.commitMs += durationMs
      counters.longestCommitMs = Math.max(counters.longestCommitMs, durationMs)
      if (error === null) {
        counters.commits++
        counters.records += attempt.records
        counters.bytes += attempt.bytes
      } else {
        counters.failedCommits++
      }
      const baseOffset = BigInt(attempt.baseOffset)
      publish('sq:wal:commit', this.#partition, () => ({ ...attempt, baseOffset, durationMs, error }))
    }
  }

  rotated(segment: ClosedSegment, reason: RotateReason): void {
    this.#counters.rotations++
    publish('sq:wal:rotate', this.#partition, () => ({ segment, reason }))
  }

  /** MARKs or a SEAL could not be written. */
  markFailed(): void {
    this.#counters.failedMarks++
  }

  abandoned(abandoned: Pick<AbandonEvent, 'path' | 'bytes' | 'nextOffset' | 'error'>): void {
    this.#counters.abandonedSegments++
    publish('sq:wal:abandon', this.#partition, () => abandoned)
  }

  deleted(segment: SegmentInfo): void {
    this.#counters.deletions++
    publish('sq:wal:delete', this.#partition, () => ({ segment }))
  }

  /** Starts the time of a deletion of records. Call the returned function when the log start offset is durable. */
  deletingRecords(): (moved: Pick<DeleteRecordsEvent, 'previousLogStartOffset' | 'logStartOffset'>) => void {
    const startedMs = this.#clock.monotonic()
    return (moved) => {
      const durationMs = this.#since(startedMs)
      publish('sq:wal:delete-records', this.#partition, () => ({ ...moved, durationMs }))
    }
  }

  truncated(cut: Pick<TruncateEvent, 'previousNextOffset' | 'nextOffset'>): void {
    publish('sq:wal:truncate', this.#partition, () => cut)
  }

  reset(to: Pick<ResetEvent, 'previousNextOffset' | 'nextOffset'>): void {
    publish('sq:wal:reset', this.#partition, () => to)
  }

  /** The current counters, with the fields that the writer passes. */
  stats(now: Pick<WriterStats, Level>): WriterStats {
    return { ...now, ...this.#counters }
  }

  /** 0 if the clock throws: the measured operation has ended, and a caller waits for the result. */
  #since(startedMs: number): number {
    try {
      return this.#clock.monotonic() - startedMs
    } catch {
      return 0
    }
  }
}
