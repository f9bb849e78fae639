/**
 * The one writer of a partition's log. Recovery (`writing/recovery.ts`) runs when it is opened. Appends go through the
 * group commit (`writing/group-commit.ts`), which acknowledges them when they are durable.
 */
import { Random, SystemClock } from '@sq/sim'
import type { Clock, FileSystem } from '@sq/sim'
import { checkOffset, checkOptions, resolveConfig, show } from '../config.ts'
import type { ResolvedWalConfig, WalConfig } from '../config.ts'
import { ClosedError } from '../errors.ts'
import type { CheckedRecord, RecordHeader, RecordInput } from './format/record.ts'
import type { ClosedSegment, SegmentInfo } from './segments/describe.ts'
import { locatePartition } from './segments/partition.ts'
import { checkPolicy } from './segments/retention.ts'
import type { RetentionPolicy } from './segments/retention.ts'
import { statDirectory } from './segments/segment-file.ts'
import { sharedLog } from './shared/shared-log.ts'
import type { SharedLog } from './shared/shared-log.ts'
import { appendAll } from './writing/append-all.ts'
import type { AppendedRecords, RecordSource } from './writing/append-all.ts'
import { placed } from './writing/bad-record.ts'
import type { RecordOrigin } from './writing/bad-record.ts'
import { checkRecord, checkRecords, recordOf } from './writing/checked-record.ts'
import type { Waiter } from './writing/commit.ts'
import { GroupCommit } from './writing/group-commit.ts'
import { largeBuffers } from './writing/large-buffers.ts'
import { LogTail } from './writing/log-tail.ts'
import { PartitionLock, SegmentDirectory } from './writing/partition-directory.ts'
import { recoverLog } from './writing/recovery.ts'
import type { Recovery } from './writing/recovery.ts'
import { WriterMeter } from './writing/writer-meter.ts'
import type { WriterStats } from './writing/writer-meter.ts'

const ALONE: RecordOrigin = { of: null, firstIndex: 0 }
const BATCH: RecordOrigin = { of: 'batch', firstIndex: 0 }

/** What a writer is given besides its config; none of it need be. */
export interface WalWriterOptions {
  /** The machine's clocks, if not given. */
  readonly clock?: Clock
  /** Where segment ids come from; unpredictable if not given. */
  readonly random?: Random
  /**
   * Called with every segment that this writer ended, by size, age, request or failure, once that is durable. A process
   * that dies in between makes no call, so list the segments when you start. It must not throw: that ends the process,
   * as from any callback.
   */
  readonly onSegmentClosed?: (segment: ClosedSegment) => void
}

const OPTIONS: ReadonlySet<string> = new Set<keyof WalWriterOptions>(['clock', 'random', 'onSegmentClosed'])

/** What a writer holds from its opening to its closing. */
interface Held {
  readonly config: ResolvedWalConfig
  /** The partition's directory, as a path and as the file system knows it. */
  readonly directory: string
  readonly directoryIdentity: string
  readonly lock: PartitionLock
  readonly meter: WriterMeter
  readonly clock: Clock
}

/**
 * Writes one partition's log, and is the only one that does as long as it is open. Many calls may
 * be under way at once: they take effect in the order in which they were made, and concurrent appends share commits.
 */
export class WalWriter implements AsyncDisposable {
  /** What opening the log found and did. */
  readonly recovery: Recovery
  readonly #held: Held
  readonly #tail: LogTail
  readonly #shared: SharedLog
  readonly #group: GroupCommit
  #closing: Promise<void> | null = null

  private constructor(held: Held, tail: LogTail, recovery: Recovery) {
    this.#held = held
    this.#tail = tail
    this.recovery = recovery
    largeBuffers.use()
    this.#shared = sharedLog(held.directoryIdentity)
    this.#shared.opened(tail)
    const { config, clock, meter } = held
    this.#group = new GroupCommit({ config, clock, meter, tail, shared: this.#shared })
  }

  /**
   * Opens a partition's log for writing, made if missing: takes its lock, recovers what an earlier writer left, and
   * resolves once everything it exposes is durable. The process that dies gives the lock up.
   *
   * Rejects with a `TypeError` or `RangeError` for a bad config, topic, partition or option; with `LockedError` at once while
   * another writer has the partition, and with `LockLostError` where its lock file is replaced meanwhile; with
   * `CorruptLogError` or `UnsupportedFormatError` where going on would lose something, with nothing changed; with
   * `WalIoError` for what the file system refuses.
   */
  static async open(
    fs: FileSystem,
    config: WalConfig,
    topic: string,
    partition: number,
    options: WalWriterOptions = {},
  ): Promise<WalWriter> {
    const resolved = resolveConfig(config)
    const located = locatePartition(resolved.dataDir, topic, partition)
    checkOptions('WalWriter.open', options, OPTIONS)
    const { clock = new SystemClock(), random = Random.fromEntropy(), onSegmentClosed } = options
    if (onSegmentClosed !== undefined && typeof onSegmentClosed !== 'function') {
      throw new TypeError(`onSegmentClosed must be a function, not ${show(onSegmentClosed)}`)
    }
    const lock = await PartitionLock.take(fs, resolved.dataDir, located)
    try {
      const directory = new SegmentDirectory(fs, located.directory, lock)
      const { identity } = await directory.whileThere(() => statDirectory(fs, located.directory))
      const meter = new WriterMeter(located, clock)
      const recovered = await recoverLog(directory, located, clock)
      const context = { config: resolved, partition: located, directory, clock, random, meter, onSegmentClosed }
      const held = { config: resolved, directory: located.directory, directoryIdentity: identity, lock, meter, clock }
      const writer = new WalWriter(held, new LogTail(context, recovered), recovered.recovery)
      meter.recovered(recovered.recovery)
      return writer
    } catch (error) {
      await lock.release()
      throw error
    }
  }

  /** The offset after the last durable record: moves when a commit succeeded, and back when the log is truncated. */
  get nextOffset(): bigint {
    return BigInt(this.#tail.nextOffset)
  }

  /**
   * Appends one record. Its bytes are copied before this returns; it resolves with the record's offset once the record
   * is durable, in offset order. Concurrent calls share a write. Never throws: every error is a rejection.
   *
   * Rejects with a `BadRecordError`, a `TypeError` or `RangeError`, for a bad argument or a record over
   * `maxRecordBytes`; with a `RangeError` where the offsets are used up; with `BacklogFullError` when too much is
   * waiting; with `ClosedError` after `close`; with `AppendFailedError` when its commit, or one before it in the queue,
   * was not made durable: the record is then not in the log, `nextOffset` has not moved, and the append may simply be
   * made again. If the process dies before a later append succeeded, a rejected record may still be found in the log.
   *
   * @param key any bytes, or null for none
   * @param value any bytes
   * @param headers names and values, in order; `[]` for none
   * @param timestampMs whole milliseconds since 1970, by the caller's reckoning; at most `maxTimestampAheadMs` after the
   * wall clock
   */
  append(
    key: Uint8Array | null,
    value: Uint8Array,
    headers: readonly RecordHeader[],
    timestampMs: number,
  ): Promise<bigint> {
    return this.#add(ALONE, () => [recordOf(key, value, headers, timestampMs)])
  }

  /**
   * Appends some records as one: after a crash either all of them are there or none. Resolves with the first one's
   * offset; the others follow it. At least one record, and at most `maxBatchBytes`. Rejects as `append` does.
   */
  appendBatch(records: readonly RecordInput[]): Promise<bigint> {
    return this.#add(BATCH, () => checkRecords(records))
  }

  /**
   * Appends every record of a source, in order, as `append` does, and resolves once all are durable. It pulls no faster
   * than the disk takes them: it stops while a quarter of `maxPendingBytes` of them waits, and also, where `append`
   * would reject, while other callers fill the rest. Each record is copied before the next is pulled. Records of other
   * callers may lie between. A `ReadableStream`, and any Node stream of records, is a source; so is the readable end of
   * a `TransformStream`, whose writable end then takes what other streams are piped into.
   *
   * Rejects with a `TypeError` where the source is none. At the first failure of an append or of the source it pulls no
   * more, closes the source, and rejects with an `AppendAllError`, whose `cause` is that failure and which tells how
   * many records are durable: the first so many, and none after them.
   */
  appendAll(source: RecordSource): Promise<AppendedRecords> {
    return appendAll(source, {
      windowBytes: this.#held.config.maxPendingBytes / 4,
      check: checkRecord,
      append: (record, waiter) => this.#append([record], waiter),
      settled: () => this.#group.settled(),
    })
  }

  /** What this writer has done since it was opened, and what waits. Costs little: it may be asked every second. */
  stats(): WriterStats {
    const { pendingRecords, pendingBytes } = this.#group
    return this.#held.meter.stats({ nextOffset: this.nextOffset, pendingRecords, pendingBytes })
  }

  /**
   * Ends the segment being written, after everything appended before this call, and resolves with its description;
   * with null where it holds no record. The next append opens a new segment. After a failed commit this heals first.
   *
   * Rejects with `ClosedError` after `close`, and with `WalIoError` where it fails; no record is lost then.
   */
  closeActiveSegment(): Promise<ClosedSegment | null> {
    if (this.#closing !== null) return Promise.reject(this.#closedError())
    return this.#group.inTurn(() => this.#tail.closeActive())
  }

  /**
   * Deletes the oldest segments, those that the policy lets go, after everything appended before this call, and
   * resolves with what they were when it looked. The active segment goes only by its age: it is then ended, as by
   * `maxSegmentAgeMs`, and the log goes on in an empty segment. To drop everything by another limit, call
   * `closeActiveSegment` first. Readers inside a segment that is deleted go on in it.
   *
   * Rejects with a `TypeError` or `RangeError` for a bad policy, with `ClosedError` after `close`, and with
   * `ClockSuspectError` where the policy goes by age and the clock contradicts the log, with nothing deleted. With
   * `CorruptLogError`, `UnsupportedFormatError` or `WalIoError` where it fails: some of the segments may be gone then,
   * oldest first, and it may be called again. With `LockLostError` where the log's directory is gone or was replaced.
   */
  async deleteSegments(policy: RetentionPolicy): Promise<SegmentInfo[]> {
    const checked = checkPolicy(policy)
    if (this.#closing !== null) throw this.#closedError()
    return this.#group.inTurn(() => this.#tail.deleteSegments(checked))
  }

  /**
   * Drops every record from an offset on, after everything appended before this call, also in the middle of a batch:
   * the next append gets that offset. The log's first offset drops everything, its next offset nothing. No segment that
   * this shortens or deletes is reported closed.
   *
   * Rejects with a `TypeError` or `RangeError` for a bad offset, with `OffsetOutOfRangeError` for one that the log does
   * not have, with `ClosedError` after `close`, and with `CorruptLogError` or `UnsupportedFormatError`: nothing has
   * changed then. With `WalIoError` or `LockLostError` either nothing has changed, or `nextOffset` is the offset: the
   * records are gone for this writer, the next call of this or any other method completes it on disk first and fails
   * if that fails, and if the process dies before that, a beginning of the records may be there again.
   */
  async truncate(offset: bigint): Promise<void> {
    const checked = checkOffset(offset, 'offset')
    if (this.#closing !== null) throw this.#closedError()
    return this.#group.inTurn(() => this.#tail.truncate(checked, () => this.#shared.truncated(checked)))
  }

  /**
   * Waits for everything appended so far, proves it on disk, and gives up the lock. Later calls of `append` reject; a
   * second `close` resolves with the first. The lock is given up and the files are closed even where this rejects. With
   * `WalIoError` the proof could not be written, and a commit that was rejected last may come back; what was
   * acknowledged is durable all the same. With `LockLostError` that is not so.
   */
  close(): Promise<void> {
    this.#closing ??= this.#group.inTurn(() => this.#shutDown())
    return this.#closing
  }

  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #add(from: RecordOrigin, records: () => readonly CheckedRecord[]): Promise<bigint> {
    return new Promise((resolve, reject) => {
      try {
        this.#append(records(), { resolve, reject })
      } catch (error) {
        reject(placed(error, from))
      }
    })
  }

  #append(records: readonly CheckedRecord[], waiter: Waiter): number {
    if (this.#closing !== null) throw this.#closedError()
    return this.#group.append(records, waiter)
  }

  async #shutDown(): Promise<void> {
    try {
      await this.#tail.close()
    } finally {
      this.#group.close()
      largeBuffers.leave()
      this.#shared.closed(this.#tail)
      await this.#held.lock.release()
    }
  }

  #closedError(): ClosedError {
    return new ClosedError('writer', this.#held.directory)
  }
}
