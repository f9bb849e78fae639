/**
 * The one writer of a partition's log. Recovery (`writing/recovery.ts`) runs when it is opened. Appends go through the
 * group commit (`writing/group-commit.ts`), which acknowledges them when they are durable.
 */
import { Random, SystemClock } from '@sq/sim'
import type { Clock, FileSystem } from '@sq/sim'
import { changedConfig, checkOffset, checkOptions, resolveConfig, show, wholeOption } from '../config.ts'
import type { ResolvedWalConfig, WalConfig } from '../config.ts'
import { ClosedError } from '../errors.ts'
import type { EncodedBatch } from './format/record-batch.ts'
import type { CheckedRecord, RecordHeader, RecordInput } from './format/record.ts'
import type { SegmentLink } from './segment.ts'
import type { ClosedSegment, SegmentInfo } from './segments/describe.ts'
import { locatePartition } from './segments/partition.ts'
import type { Partition } from './segments/partition.ts'
import { checkPolicy } from './segments/retention.ts'
import type { RetentionPolicy } from './segments/retention.ts'
import { requireLog, statDirectory } from './segments/segment-file.ts'
import { sharedLog } from './shared/shared-log.ts'
import type { SharedLog } from './shared/shared-log.ts'
import { isSignal } from './shared/signal.ts'
import { signalEnding } from './shared/signal-ending.ts'
import { Waker } from './shared/waker.ts'
import { appendAll } from './writing/append-all.ts'
import type { AppendAllOptions, AppendedRecords, RecordSource } from './writing/append-all.ts'
import { placed } from './writing/bad-record.ts'
import type { RecordOrigin } from './writing/bad-record.ts'
import { checkBatches } from './writing/checked-batches.ts'
import { checkLink } from './writing/checked-link.ts'
import { checkBatchOptions } from './writing/checked-metadata.ts'
import type { BatchOptions, OpaqueBatch } from './writing/checked-metadata.ts'
import { checkRecord, checkRecords, recordOf } from './writing/checked-record.ts'
import type { SegmentDeletion } from './writing/segment-deletion.ts'
import { makeCheckpoint } from './writing/checkpoint.ts'
import type { StagedLog } from './writing/checkpoint.ts'
import type { Waiter } from './writing/commit.ts'
import { GroupCommit } from './writing/group-commit.ts'
import { LogTail } from './writing/log-tail.ts'
import { PartitionLock, SegmentDirectory } from './writing/partition-directory.ts'
import { beginLog, recoverLog } from './writing/recovery.ts'
import type { Recovery } from './writing/recovery.ts'
import { SharedLimits, threadLimits } from './writing/shared-limits.ts'
import { clearLeftovers } from './writing/temporary-directory.ts'
import { writeBuffers } from './writing/write-buffers.ts'
import { WriterMeter } from './writing/writer-meter.ts'
import type { WriterStats } from './writing/writer-meter.ts'

const ALONE: RecordOrigin = { of: null, firstIndex: 0 }
const BATCH: RecordOrigin = { of: 'batch', firstIndex: 0 }

/** Options of `WalWriter.open` in addition to the config. All are optional. */
export interface WalWriterOptions {
  /** The clocks; the machine's clocks if not given. */
  readonly clock?: Clock
  /** The source of segment ids; unpredictable if not given. */
  readonly random?: Random
  /**
   * Called with every segment that this writer ended, by size, age, request or failure, once the end is durable. If the
   * process dies before the call, the call is never made, so list the segments when you start. The callback must not
   * throw: an exception ends the process, as from any callback.
   */
  readonly onSegmentClosed?: (segment: ClosedSegment) => void
  /**
   * Whether to create the log if there is none. With false, opening rejects with `LogNotFoundError` then, and nothing
   * is created: a disk that is not mounted is an error, and not an empty log. Default true.
   */
  readonly create?: boolean
  /**
   * The offset at which a log without segments begins, for example the log start offset of the leader; 0 if not given.
   * The log is there, empty and durable, when `open` resolves. Ignored if the log has segments.
   */
  readonly firstOffset?: bigint
  /**
   * With `firstOffset`: the end of the segment before it, for a log that continues after segments in another place,
   * such as an archive. The first segment states it, so the chain of segments is not interrupted. It is the
   * `link` of the `SegmentInfo`.
   */
  readonly previous?: SegmentLink
  /** Limits that this writer shares with others; those that all writers of the thread share if not given. */
  readonly limits?: SharedLimits
}

/** Options of `WalWriter.resetTo`. */
export interface ResetOptions {
  /** The end of the segment before the offset, as for `WalWriter.open`; the new segment states none if not given. */
  readonly previous?: SegmentLink
}

const RESET_OPTIONS: ReadonlySet<string> = new Set<keyof ResetOptions>(['previous'])

const OPTIONS: ReadonlySet<string> = new Set<keyof WalWriterOptions>([
  'clock',
  'random',
  'onSegmentClosed',
  'create',
  'firstOffset',
  'previous',
  'limits',
])

/** Options of `WalWriter.ready`. All are optional. */
export interface ReadyOptions {
  /**
   * The size of the append, as the `neededBytes` of a `BacklogFullError` state it; that of the largest record or batch
   * if not given.
   */
  readonly bytes?: number | undefined
  /** Ends the waiting when it is aborted. */
  readonly signal?: AbortSignal | undefined
}

const READY_OPTIONS: ReadonlySet<string> = new Set<keyof ReadyOptions>(['bytes', 'signal'])

/** What a writer holds while it is open. */
interface Held {
  readonly fs: FileSystem
  /** Changed in place by `configure`: all parts of the writer read it when they need it. */
  readonly config: ResolvedWalConfig
  readonly limits: SharedLimits
  readonly partition: Partition
  /** The identity of the partition's directory in the file system. */
  readonly directoryIdentity: string
  readonly lock: PartitionLock
  readonly meter: WriterMeter
  readonly clock: Clock
}

/**
 * Writes one partition's log, and is the only one that does as long as it is open. Calls can be concurrent: they take
 * effect in the order in which they were made, and concurrent appends share commits.
 *
 * @example
 * ```ts
 * const writer = await WalWriter.open(new NodeFileSystem(), { dataDir: './data' }, 'orders', 0)
 * await writer.append(Buffer.from('customer-7'), Buffer.from('delivered'), [], Date.now()) // durable
 * await writer.close()
 * ```
 */
export class WalWriter implements AsyncDisposable {
  /** What opening the log found and did. */
  readonly recovery: Recovery
  readonly #held: Held
  readonly #tail: LogTail
  readonly #shared: SharedLog
  readonly #group: GroupCommit
  /** The config as it was given, and changed. */
  #given: WalConfig
  #closing: Promise<void> | null = null
  /** Resolves when the checkpoints so far have succeeded or failed. */
  #checkpoints: Promise<unknown> = Promise.resolve()
  /** Resolves when the deletions of segments so far have succeeded or failed. */
  #deletions: Promise<unknown> = Promise.resolve()

  private constructor(held: Held, given: WalConfig, { tail, recovery }: { tail: LogTail; recovery: Recovery }) {
    this.#held = held
    this.#given = given
    this.#tail = tail
    this.recovery = recovery
    writeBuffers.use()
    this.#shared = sharedLog(held.directoryIdentity)
    this.#shared.opened(tail)
    const { config, clock, meter, limits } = held
    const { directory: path } = held.partition
    this.#group = new GroupCommit({ path, config, clock, meter, tail, shared: this.#shared, limits })
  }

  /**
   * Opens a partition's log for writing, and creates it if missing, unless `create` is false. Takes the lock, recovers
   * what an earlier writer left, and resolves once everything that it exposes is durable. If the process dies, the lock
   * is released.
   *
   * Rejects with a `TypeError` or `RangeError` for a bad config, topic, partition or option; with `LogNotFoundError` if
   * `create` is false and there is no log that `listPartitions` would list; at once with `LockedError`
   * while another writer has the partition; with `LockLostError` if the lock file is replaced in the meantime; with
   * `CorruptLogError` or `UnsupportedFormatError` if going on would lose something, and then nothing is changed; with
   * `WalIoError` if the file system fails.
   *
   * @example
   * ```ts
   * const writer = await WalWriter.open(fs, config, 'orders', 0)
   * console.log(writer.nextOffset) // 3n
   * ```
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
    const {
      clock = new SystemClock(),
      random = Random.fromEntropy(),
      onSegmentClosed,
      create = true,
      firstOffset = 0n,
      previous,
      limits = threadLimits,
    } = options
    if (onSegmentClosed !== undefined && typeof onSegmentClosed !== 'function') {
      throw new TypeError(`onSegmentClosed must be a function, not ${show(onSegmentClosed)}`)
    }
    if (!(limits instanceof SharedLimits)) throw new TypeError(`limits must be SharedLimits, not ${show(limits)}`)
    if (typeof create !== 'boolean') throw new TypeError(`create must be a boolean, not ${show(create)}`)
    const first = checkOffset(firstOffset, 'firstOffset')
    const begin = { firstOffset: first, previous: checkLink(previous, first) }
    if (!create) await requireLog(fs, located)
    const lock = await PartitionLock.take(fs, resolved.dataDir, located, { create })
    try {
      await clearLeftovers(fs, located)
      const directory = new SegmentDirectory(fs, located.directory, lock)
      const { identity } = await directory.whileThere(() => statDirectory(fs, located.directory))
      const meter = new WriterMeter(located, clock)
      const found = await recoverLog(directory, located, clock)
      const recovered = await beginLog({ directory, partition: located, clock, random }, found, begin)
      const context = { config: resolved, partition: located, directory, clock, random, meter, onSegmentClosed }
      const held = { fs, config: resolved, limits, partition: located, directoryIdentity: identity, lock, meter, clock }
      const tail = new LogTail(context, recovered)
      const writer = new WalWriter(held, { ...config }, { tail, recovery: recovered.recovery })
      meter.recovered(recovered.recovery)
      return writer
    } catch (error) {
      await lock.release()
      throw error
    }
  }

  /** The log start offset: the first offset that is left, or the log end offset if no record is. */
  get logStartOffset(): bigint {
    return BigInt(this.#tail.firstOffset)
  }

  /**
   * The log end offset: the offset after the last durable record. It moves forward when a commit succeeds, and back
   * when the log is truncated. Both bounds are in memory: reading them costs nothing.
   */
  get logEndOffset(): bigint {
    return BigInt(this.#tail.nextOffset)
  }

  /**
   * The same as `logEndOffset`, under the name that it has in `recovery`, in errors and in batches: the next record
   * gets this offset, if no append is pending.
   */
  get nextOffset(): bigint {
    return this.logEndOffset
  }

  /**
   * Appends one record. Its bytes are copied before this returns. Resolves with the record's offset once the record is
   * durable; appends resolve in offset order. Concurrent calls share a write. Never throws: every error is a rejection.
   *
   * Rejects with a `BadRecordError`, which is a `TypeError` or `RangeError`, for a bad or unknown field or a record
   * over `maxRecordBytes`; with a `RangeError` if no offsets are left; with `BacklogFullError` if the backlog is full;
   * with `ClosedError` after `close`. Rejects with `AppendFailedError` if its commit, or an earlier one in the queue,
   * was not made durable: the record is not in the log, `nextOffset` has not moved, and the append can be made again.
   * If the process dies before a later append succeeds, a rejected record may still appear in the log.
   *
   * @param record only its `value` is required; without `timestampMs` it gets the time of the writer's clock
   *
   * @example
   * ```ts
   * const offset = await writer.append({ key: Buffer.from('customer-7'), value: Buffer.from('delivered') })
   * console.log(offset) // 3n
   * ```
   */
  append(record: RecordInput): Promise<bigint>
  /**
   * The same with all parts of the record, one after another.
   *
   * @param key any bytes, or null for none
   * @param value any bytes, or null for none: a tombstone
   * @param headers keys and values, in order; `[]` for none
   * @param timestampMs whole milliseconds since 1970, chosen by the caller; at most `maxTimestampAheadMs` after the
   * wall clock
   *
   * @example
   * ```ts
   * const headers = [{ key: 'trace', value: Buffer.from('4f2a') }]
   * const offset = await writer.append(Buffer.from('customer-7'), Buffer.from('delivered'), headers, Date.now())
   * console.log(offset) // 3n
   * ```
   */
  append(
    key: Uint8Array | null,
    value: Uint8Array | null,
    headers: readonly RecordHeader[],
    timestampMs: number,
  ): Promise<bigint>
  append(...given: [record: RecordInput] | Parameters<typeof recordOf>): Promise<bigint> {
    return this.#add(ALONE, (waiter) => {
      const record = given.length === 1 ? checkRecord(given[0], this.#held.clock) : recordOf(...given)
      this.#append([record], waiter)
    })
  }

  /**
   * Appends one or more records atomically: after a crash all of them are there or none. Resolves with the offset of
   * the first; the others follow it. Two or more records may take at most `maxBatchBytes`. With `metadata`, 1 to 65,536
   * bytes, they are a batch of their own for `readBatches`, which returns the metadata with it. Rejects as `append`
   * does, also for bad metadata, and with a `TypeError` for a bad option.
   *
   * @example
   * ```ts
   * const first = await writer.appendBatch([
   *   { value: Buffer.from('returned') },
   *   { key: Buffer.from('customer-7'), value: Buffer.from('refunded'), timestampMs: Date.now() },
   * ])
   * console.log(first, writer.nextOffset) // 3n 5n
   * ```
   */
  appendBatch(records: readonly RecordInput[], options: BatchOptions = {}): Promise<bigint> {
    return this.#add(BATCH, (waiter) => {
      const checked = checkRecords(records, this.#held.clock)
      const metadata = checkBatchOptions(options)
      if (metadata === null) this.#append(checked, waiter)
      else this.#open().appendWithMetadata(checked, metadata, waiter)
    })
  }

  /**
   * Appends an opaque batch: a payload whose records only its producer can read, for example because it is compressed.
   * It takes `recordCount` offsets, and after a crash it is there whole or not at all. Resolves with its first offset
   * once it is durable. Its bytes are copied before this returns. `readBatches` returns it; `read` meets it with an
   * `OpaqueBatchError`. A search by time goes by `minTimestampMs` and `maxTimestampMs`.
   *
   * Rejects with a `BadRecordError` for a bad or unknown field or a payload over `maxBatchBytes`; otherwise as `append`
   * does.
   *
   * @example
   * ```ts
   * const first = await writer.appendOpaque({
   *   payload: Buffer.from('compressed'),
   *   recordCount: 3,
   *   minTimestampMs: Date.now(),
   *   maxTimestampMs: Date.now(),
   *   metadata: Buffer.from('codec 4'),
   * })
   * console.log(first, writer.nextOffset) // 3n 6n
   * ```
   */
  appendOpaque(batch: OpaqueBatch): Promise<bigint> {
    return this.#add(BATCH, (waiter) => this.#open().appendOpaque(batch, waiter))
  }

  /**
   * Appends batches as they are, at the offsets that they state: what `readBatches` of another log has returned, also
   * after it went over a network. So the log of a replica holds the same records at the same offsets as its leader's,
   * and batches with the same checksums. Each batch is there whole or not at all after a crash. The batches of one call
   * share a write, but two calls do not: collect what arrives during a call, and append it with the next one. Their
   * bytes are copied before this returns. Several calls may be under way at once. Resolves with the offset after the
   * last batch, once all of them are durable. Never throws: every error is a rejection.
   *
   * Rejects with `OffsetMismatchError` if the first batch does not begin where the log ends when its turn comes, or
   * another one not where the one before it ends; with a `TypeError` or `RangeError` for what is not a batch, as
   * `RecordBatch.from`, also if its bytes have changed since they were checked; with `BacklogFullError` if the backlog
   * is full; with `ClosedError` after `close`. Nothing of the call was written then. Rejects with `AppendFailedError`
   * if a write of it, or an earlier one in the queue, failed. More than 8 MiB take several writes, so the first batches
   * may be durable then: `nextOffset` says how far. `maxRecordBytes`, `maxBatchBytes` and `maxTimestampAheadMs` do not
   * apply.
   *
   * @example
   * ```ts
   * const reader = await WalReader.open(fs, config, 'orders', 0)
   * const replica = await WalWriter.open(fs, { dataDir: '/replica' }, 'orders', 0)
   * for await (const batch of reader.readBatches({ from: replica.nextOffset })) await replica.appendEncoded([batch])
   * console.log(replica.nextOffset) // 3n
   * ```
   */
  appendEncoded(batches: readonly EncodedBatch[]): Promise<bigint> {
    return new Promise((resolve, reject) => {
      const checked = checkBatches(batches, this.#held.partition.directory)
      if (this.#closing !== null) throw this.#closedError()
      this.#group.appendEncoded(checked, { resolve: () => resolve(BigInt(checked.nextOffset)), reject })
    })
  }

  /**
   * Appends every record of a source, in order, and resolves once all are durable. It applies backpressure: it stops
   * pulling while a quarter of `maxPendingBytes` of its records waits, and while other callers fill the rest so that
   * `append` would reject. Each record is copied before the next is pulled. Records of other callers may lie between
   * them. A source is an iterable or async iterable, for example a `ReadableStream`, a Node stream of records, or the
   * readable side of a `TransformStream` into which other streams are piped.
   *
   * Rejects with a `TypeError` if the source is not iterable or an option is bad. At the first failure of an append or
   * of the source, or once `signal` is aborted, it stops pulling, closes the source, and rejects with an
   * `AppendAllError` as soon as every record that it has pulled is durable or has failed: `cause` is that failure or
   * the signal's reason, and `records` is the number of durable records. They are the first ones of the source, and no
   * record after them is durable. If the signal is aborted after the end of the source, it resolves.
   *
   * @example
   * ```ts
   * async function* records() {
   *   for (const text of ['returned', 'refunded']) {
   *     yield { value: Buffer.from(text) }
   *   }
   * }
   * const { firstOffset, lastOffset } = await writer.appendAll(records())
   * console.log(firstOffset, lastOffset) // 3n 4n
   * ```
   */
  appendAll(source: RecordSource, options: AppendAllOptions = {}): Promise<AppendedRecords> {
    return appendAll(source, options, {
      windowBytes: this.#held.config.maxPendingBytes / 4,
      check: (record) => checkRecord(record, this.#held.clock),
      append: (record, waiter) => this.#append([record], waiter),
      whenRoom: (bytes, waker) => this.#group.backlog.whenRoom(bytes, waker),
      settled: () => this.#group.settled(),
    })
  }

  /**
   * Resolves when there is room for an append in the backlog: in that of this writer, and in that of the `limits` that
   * it shares. An append that is made then, before anything else is awaited, is not refused with a `BacklogFullError`,
   * unless one that did not wait has taken the room; without `bytes` that holds for any record or batch, but not for
   * `appendEncoded`. Callers get room one after another: those of one writer in the order of their calls, writers with
   * the same limits in turn.
   *
   * Rejects with a `TypeError` or `RangeError` for a bad option, with the reason of an aborted `signal`, and with
   * `ClosedError` once the writer is closed. After a failed commit nothing waits any more, so there is room: the next
   * append says whether the log can be written.
   *
   * @example
   * ```ts
   * await writer.ready()
   * const appended = writer.append({ value: Buffer.from('returned') })
   * console.log(await appended) // 3n
   * ```
   */
  async ready(options: ReadyOptions = {}): Promise<void> {
    checkOptions('ready', options, READY_OPTIONS)
    const { bytes, signal } = options
    const wanted = bytes === undefined ? null : wholeOption('bytes', bytes, { from: 1, to: Number.MAX_SAFE_INTEGER })
    if (signal !== undefined && !isSignal(signal)) {
      throw new TypeError(`signal must be an AbortSignal, not ${show(signal)}`)
    }
    const waker = new Waker()
    if (signal !== undefined) waker.endBy(signalEnding(signal))
    return this.#group.backlog.whenRoom(wanted, waker)
  }

  /**
   * Changes options of the config while the log is open: all but `dataDir`. Options that are not given stay as they
   * are; `undefined` is the default again. Limits of records, batches, timestamps and the backlog apply to what is
   * appended after this returns, and what was accepted stays accepted. Limits of segments apply from the next commit
   * that is written on, also if its records were appended before.
   *
   * Throws a `TypeError` or `RangeError` for an option that `open` would refuse, alone or with the others, and for
   * `dataDir`, and `ClosedError` after `close`: nothing has changed then.
   *
   * @example
   * ```ts
   * writer.configure({ maxSegmentBytes: 16 * 1024 * 1024, maxSegmentAgeMs: 3_600_000 })
   * ```
   */
  configure(changes: Omit<WalConfig, 'dataDir'>): void {
    if (this.#closing !== null) throw this.#closedError()
    const { config } = this.#held
    const given = changedConfig(this.#given, changes)
    const { dataDir } = config
    Object.assign(config, resolveConfig({ ...given, dataDir }))
    this.#given = given
    this.#group.backlog.configured()
  }

  /**
   * Counters of this writer since it was opened, its backlog, and the extent of the log. Cheap: nothing is read, so
   * call it every second if you like.
   *
   * @example
   * ```ts
   * const { commits, records, pendingBytes } = writer.stats()
   * console.log(commits, records, pendingBytes) // 0 0 0
   * ```
   */
  stats(): WriterStats {
    const { pendingRecords, backlog } = this.#group
    const pendingBytes = backlog.bytes
    return this.#held.meter.stats({ nextOffset: this.nextOffset, pendingRecords, pendingBytes, ...this.#tail.extent() })
  }

  /**
   * Seals the active segment, after everything appended before this call, and resolves with its description, or with
   * null if it holds no record. The next append opens a new segment. After a failed commit this rolls over to a new
   * segment first.
   *
   * Rejects with `ClosedError` after `close`, and with `WalIoError` if it fails; no record is lost then.
   *
   * @example
   * ```ts
   * const segment = await writer.closeActiveSegment()
   * console.log(segment?.state, segment?.baseOffset, segment?.lastOffset) // sealed 0n 2n
   * ```
   */
  closeActiveSegment(): Promise<ClosedSegment | null> {
    if (this.#closing !== null) return Promise.reject(this.#closedError())
    return this.#group.inTurn(() => this.#tail.closeActive())
  }

  /**
   * Deletes the oldest segments that the policy releases, after everything appended before this call, and resolves with
   * their descriptions. The active segment is deleted only by its age: it is sealed first, and the log continues in an
   * empty segment. To drop everything by another limit, call `closeActiveSegment` first. Readers inside a deleted
   * segment continue in it.
   *
   * Appends go on meanwhile. Other calls, and an append that needs a new segment, wait until the removal of one file is
   * durable, or one segment is read, at most. What the policy releases is decided once; a truncation meanwhile has it
   * decided again for what is left. Records that are appended after the call stay, also at the offsets of records that
   * were truncated meanwhile. Several calls run one after another, and each resolves with the segments that it deleted
   * itself. `close` waits until they have ended.
   *
   * Rejects with a `TypeError` or `RangeError` for a bad policy, with `ClosedError` after `close`, and with
   * `ClockSuspectError` if the policy has an age limit and the clock contradicts the log: nothing is deleted then.
   * Rejects with `CorruptLogError`, `UnsupportedFormatError` or `WalIoError` if it fails: some segments, the oldest
   * ones, may be gone, and it can be called again. Rejects with `LockLostError` if the directory of the log is gone or
   * was replaced.
   *
   * @example
   * ```ts
   * await writer.closeActiveSegment()
   * const deleted = await writer.deleteSegments({ belowOffset: 3n })
   * console.log(deleted.length, writer.nextOffset) // 1 3n
   * ```
   */
  async deleteSegments(policy: RetentionPolicy): Promise<SegmentInfo[]> {
    const checked = checkPolicy(policy)
    if (this.#closing !== null) throw this.#closedError()
    return this.#delete(async () => this.#deletion(checked))
  }

  /**
   * Deletes the records before an offset, after everything appended before this call, even in the middle of a batch:
   * the log start offset becomes `before`. They are gone durably when this resolves, and their segments are deleted,
   * but for the one that holds records from `before` on too. If `before` is the log start offset or less, nothing
   * changes. Readers that are inside a segment may continue to its end. An opaque batch cannot be cut: it is returned
   * whole as long as one of its offsets is left.
   *
   * Appends wait until the log start offset is durable. Segments are then deleted as by `deleteSegments`, while appends
   * go on, and `close` waits for it. Segments that this deletes are not resolved with, but published on `sq:wal:delete`.
   *
   * Rejects with a `TypeError` or `RangeError` for a bad offset, with `OffsetOutOfRangeError` for an offset after the
   * log end offset, and with `ClosedError` after `close`: nothing has changed then. After `WalIoError`,
   * `LockLostError`, `CorruptLogError` or `UnsupportedFormatError` call it again: the records may be gone for this
   * writer, and there again after a crash. A version of the package without `deleteRecords` ignores it and shows all
   * records of the first segment; it must not write to the log.
   *
   * @example
   * ```ts
   * await writer.deleteRecords(1n)
   * const reader = await WalReader.open(fs, config, 'orders', 0)
   * for await (const { offset } of reader.read()) console.log(offset) // 1n, 2n
   * ```
   */
  async deleteRecords(before: bigint): Promise<void> {
    const checked = checkOffset(before, 'before')
    if (this.#closing !== null) throw this.#closedError()
    await this.#delete(async () => {
      await this.#tail.deleteRecords(checked).finally(() => this.#shared.deleted())
      return this.#deletion({ belowOffset: before })
    })
  }

  /**
   * Drops every record from an offset on, after everything appended before this call, even in the middle of a batch.
   * The next append gets that offset. The log start offset drops everything, the log end offset nothing. Segments that
   * this shortens or deletes are not reported to `onSegmentClosed`.
   *
   * Rejects with a `TypeError` or `RangeError` for a bad offset, with `OffsetOutOfRangeError` for an offset that the
   * log does not have, with `OpaqueBatchError` for one inside an opaque batch, with `ClosedError` after `close`, and
   * with `CorruptLogError` or `UnsupportedFormatError`: nothing has changed then. After `WalIoError` or
   * `LockLostError`, either nothing has changed, or `nextOffset` is the offset: the records are gone for this writer.
   * The next call of any method then first completes the truncation on disk, and fails if that fails. If the process
   * dies before that, a beginning of the dropped records may be there again.
   *
   * @example
   * ```ts
   * await writer.truncate(1n)
   * console.log(writer.nextOffset) // 1n
   * ```
   */
  async truncate(offset: bigint): Promise<void> {
    const checked = checkOffset(offset, 'offset')
    if (this.#closing !== null) throw this.#closedError()
    return this.#group.inTurn(() => this.#tail.truncate(checked, () => this.#shared.truncated(checked)))
  }

  /**
   * Makes a copy of the log with everything appended before this call, and perhaps more: a complete log of the same
   * topic and partition in another data directory, `{dataDir}/{topic}/{partition}/`, which is created if missing.
   * Resolves with the log end offset of the copy, once all of it is durable. It is complete or absent, also after a
   * crash.
   *
   * Ended segments are hard links, so the copy takes little time and space if it is in the same file system; otherwise
   * they are copied. The last segment is always copied. Appends wait only while links are made. Deleting and truncating
   * change neither the copy nor, in the copy, this log. Damage to a segment that is linked is damage to both.
   *
   * Calls run one after another, and `close` waits for them. Rejects with a `TypeError` or `RangeError` for a bad
   * `dataDir`, with `ClosedError` after `close`, with a `WalIoError` with the code `EEXIST` if the copy's directory
   * exists, with `LockedError` while another checkpoint is made in it, and with `WalIoError` or `LockLostError` if it
   * fails, for example with `EPERM` where the file system of the log has no hard links. What is left of one that failed
   * is removed by the next, or by the next opening of the log.
   *
   * @example
   * ```ts
   * const nextOffset = await writer.checkpoint('./backup')
   * console.log(nextOffset) // 3n
   * ```
   */
  async checkpoint(dataDir: string): Promise<bigint> {
    if (this.#closing !== null) throw this.#closedError()
    const { fs, partition: source } = this.#held
    // The working directory may change before its turn comes.
    const target = locatePartition(resolveConfig({ dataDir }).dataDir, source.topic, source.partition)
    const stage = (directory: string): Promise<StagedLog> => this.#group.inTurn(() => this.#tail.stage(directory))
    const before = this.#checkpoints
    const made = (async () => {
      await before
      return makeCheckpoint(fs, { source, target, stage })
    })()
    this.#checkpoints = Promise.allSettled([made])
    return made
  }

  /**
   * Drops everything, after everything appended before this call, and goes on empty at an offset, which may be any: for
   * a replica that has fallen behind the first offset of its leader. Resolves when the new log is durable. Readers of
   * this thread see nothing of the old log after that, and those that have returned records of it get a
   * `DivergedError`; a reader in another process may get an `OffsetOutOfRangeError` instead. Segments that this deletes
   * are not reported to `onSegmentClosed`.
   *
   * After a crash at any moment, the next writer finds the whole old log, or the new one. Rejects with a `TypeError` or
   * `RangeError` for a bad offset or option, and with `ClosedError` after `close`: nothing has changed then. After
   * `WalIoError` or `LockLostError`, either nothing has changed, or `nextOffset` is the offset: the records are gone
   * for this writer. The next call of any method then first completes the reset on disk, and fails if that fails. If
   * the process dies before that, the old log may be there again.
   *
   * @example
   * ```ts
   * await writer.resetTo(1000n)
   * console.log(writer.nextOffset) // 1000n
   * ```
   */
  async resetTo(offset: bigint, options: ResetOptions = {}): Promise<void> {
    const checked = checkOffset(offset, 'offset')
    checkOptions('resetTo', options, RESET_OPTIONS)
    const previous = checkLink(options.previous, checked)
    if (this.#closing !== null) throw this.#closedError()
    const shared = this.#shared
    const reset = { previous, begin: () => shared.resetting(checked), done: () => shared.resetDone() }
    return this.#group.inTurn(() => this.#tail.reset(checked, reset))
  }

  /**
   * Waits for everything appended so far, writes durability markers at the end of the log, and releases the lock. Later
   * appends reject; a second `close` resolves with the first. The lock is released and the files are closed even if
   * this rejects.
   *
   * `WalIoError` means that the markers could not be written: a commit that was rejected last may reappear;
   * acknowledged records are durable. After `LockLostError` they may not be.
   */
  close(): Promise<void> {
    const others = [this.#checkpoints, this.#deletions]
    this.#group.backlog.close(this.#closedError())
    this.#closing ??= Promise.allSettled(others).then(() => this.#group.inTurn(() => this.#shutDown()))
    return this.#closing
  }

  /** Does the same as `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #add(from: RecordOrigin, append: (waiter: Waiter) => void): Promise<bigint> {
    return new Promise((resolve, reject) => {
      try {
        append({ resolve, reject })
      } catch (error) {
        reject(placed(error, from))
      }
    })
  }

  #append(records: readonly CheckedRecord[], waiter: Waiter): number {
    return this.#open().append(records, waiter)
  }

  /** The group commit. Throws a `ClosedError` after `close`. */
  #open(): GroupCommit {
    if (this.#closing !== null) throw this.#closedError()
    return this.#group
  }

  /**
   * Runs deletions one after another. `begin` is called in the turn of the call, so that what is appended meanwhile is
   * not deleted.
   */
  #delete(begin: () => Promise<SegmentDeletion>): Promise<SegmentInfo[]> {
    const before = this.#deletions
    const deleted = (async () => {
      const deletion = await this.#group.inTurn(begin)
      await before
      return deletion.run((action) => this.#group.inTurn(action))
    })()
    // Not with a result: that would hold those of all deletions before.
    this.#deletions = Promise.allSettled([before, deleted]).then(() => null)
    return deleted
  }

  #deletion(policy: RetentionPolicy): SegmentDeletion {
    return this.#tail.deletion(policy, () => this.#shared.deleted())
  }

  async #shutDown(): Promise<void> {
    try {
      await this.#tail.close()
    } finally {
      writeBuffers.leave()
      this.#shared.closed(this.#tail)
      await this.#held.lock.release()
    }
  }

  #closedError(): ClosedError {
    return new ClosedError('writer', this.#held.partition.directory)
  }
}
