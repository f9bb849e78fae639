/** Counts and times what a writer does, for `WalWriter.stats`, and tells it to whoever listens (`diagnostics.ts`). */
import type { Clock } from '@sq/sim'
import type { ClosedSegment, SegmentInfo } from '../segments/describe.ts'
import type { Partition } from '../segments/partition.ts'
import type { Waiter } from './commit.ts'
import { hasListeners, publish } from './diagnostics.ts'
import type { AbandonEvent, CommitReason, RotateReason, TruncateEvent } from './diagnostics.ts'
import type { Recovery } from './recovery.ts'

/** What a writer has done since it was opened, and what waits. A picture of one moment: it does not change later. */
export interface WriterStats {
  /** The offset after the last durable record. */
  readonly nextOffset: bigint
  /** Records acknowledged, the commits they were in, and the bytes of those commits' frames. */
  readonly records: number
  readonly commits: number
  readonly bytes: number
  /** Commits that were not made durable; what waited behind them and was rejected with them is not counted. */
  readonly failedCommits: number
  /** How long commits took in all, in milliseconds, those that failed too; and the longest one. */
  readonly commitMs: number
  readonly longestCommitMs: number
  /** Segments sealed, new ones begun because a write to the one before had failed, and old ones deleted. */
  readonly rotations: number
  readonly abandonedSegments: number
  readonly deletions: number
  /**
   * How often MARKs or a SEAL could not be written: when the log was opened (`Recovery.markError`), when a segment was
   * to be ended, on closing. No record is lost then, but damage to the last commit may be taken for a torn one.
   */
  readonly failedMarks: number
  /** Records that wait to be durable, and what they count for in `maxPendingBytes`. */
  readonly pendingRecords: number
  readonly pendingBytes: number
}

/** What only the writer itself knows. */
type Level = 'nextOffset' | 'pendingRecords' | 'pendingBytes'

/** A commit whose turn has come. */
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

  /** To be made when recovery begins. */
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

  /** The waiter of an append, who tells of it when it is acknowledged. */
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
   * Starts the time of a commit. The function returned is to be told how it ended: null where it is durable. That one
   * never throws.
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

  truncated(cut: Pick<TruncateEvent, 'previousNextOffset' | 'nextOffset'>): void {
    publish('sq:wal:truncate', this.#partition, () => cut)
  }

  /** The counters as they are now, with what the writer knows itself. */
  stats(now: Pick<WriterStats, Level>): WriterStats {
    return { ...now, ...this.#counters }
  }

  /** 0 where the clock throws: what it measures has happened, and somebody waits to be told of it. */
  #since(startedMs: number): number {
    try {
      return this.#clock.monotonic() - startedMs
    } catch {
      return 0
    }
  }
}
