/**
 * Reads a partition's log by record or by commit, and verifies every checksum. It opens nothing for writing and takes
 * no lock, so it can run while a writer does, in the same process or in another.
 */
import { SystemClock } from '@sq/sim'
import type { Clock, FileSystem } from '@sq/sim'
import { checkOffset, checkOptions, resolveConfig } from '../config.ts'
import type { WalConfig } from '../config.ts'
import { ClosedError } from '../errors.ts'
import type { RecordBatch } from './format/record-batch.ts'
import type { LogRecord } from './format/record.ts'
import { Fetches } from './reading/fetches.ts'
import type { FetchResult, LogBounds } from './reading/fetches.ts'
import { FrameStream } from './reading/frame-stream.ts'
import { LogIterator } from './reading/log-iterator.ts'
import { checkFetchOptions, checkReadOptions, checkWaitOptions } from './reading/read-options.ts'
import type { FetchOptions, ReadBatchesOptions, ReadOptions, ReadRange, WaitOptions } from './reading/read-options.ts'
import { CommitBatch, CommitRecords, Selection } from './reading/selection.ts'
import type { ElementsOf } from './reading/selection.ts'
import { signalEnding } from './shared/signal-ending.ts'
import { locatePartition } from './segments/partition.ts'
import type { Partition } from './segments/partition.ts'
import { statDirectory } from './segments/segment-file.ts'
import { Waker, Notifier } from './shared/waker.ts'
import type { Ending } from './shared/waker.ts'
import type { SharedLog } from './shared/shared-log.ts'

/** Options of `WalReader.open` in addition to the config. All are optional. */
export interface WalReaderOptions {
  /** The clock that limits how long fetches wait; the machine's clock if not given. */
  readonly clock?: Clock
}

const OPTIONS: ReadonlySet<string> = new Set<keyof WalReaderOptions>(['clock'])

/** A record that was found by its time. */
export interface TimedOffset {
  readonly offset: bigint
  /** Its timestamp, in milliseconds since 1970. */
  readonly timestampMs: number
}

/** Counters of a reader since it was opened. A snapshot: it does not change later. */
export interface ReaderStats {
  /** Records returned, including those about to be returned: up to 256 records of a commit are taken at a time. */
  readonly records: number
  /** The commits that these records were in, and the bytes of the frames of those commits. */
  readonly commits: number
  readonly bytes: number
}

/**
 * Reads one partition's log. Any number of readers can have it open, in this process or others, with or without a
 * writer. Each reader can have any number of iterations in progress.
 *
 * @example
 * ```ts
 * const reader = await WalReader.open(new NodeFileSystem(), { dataDir: './data' }, 'orders', 0)
 * for await (const { offset, value } of reader.read({ from: 1n })) {
 *   console.log(offset, Buffer.from(value ?? '').toString()) // 1n packed, 2n sent
 * }
 * await reader.close()
 * ```
 */
export class WalReader implements AsyncDisposable {
  readonly #fs: FileSystem
  readonly #partition: Partition
  /** The log that was read last, held so that its indexes are there for the next iteration. */
  readonly #lastRead = new Set<SharedLog>()
  readonly #closing: Closing
  readonly #counters = { records: 0, commits: 0, bytes: 0 }
  readonly #fetches: Fetches
  readonly #attached: (shared: SharedLog) => void

  private constructor(fs: FileSystem, partition: Partition, clock: Clock) {
    this.#fs = fs
    this.#partition = partition
    const closing = new Closing(partition.directory)
    this.#closing = closing
    this.#attached = holding(this.#lastRead)
    this.#fetches = new Fetches({
      fs,
      partition,
      clock,
      counters: this.#counters,
      closing,
      attached: this.#attached,
    })
  }

  /**
   * Opens a partition's log for reading. Rejects with a `TypeError` or `RangeError` for a bad config, topic, partition
   * or option, with `LogNotFoundError` if no writer ever opened this log, and with `WalIoError`.
   */
  static async open(
    fs: FileSystem,
    config: WalConfig,
    topic: string,
    partition: number,
    options: WalReaderOptions = {},
  ): Promise<WalReader> {
    const located = locatePartition(resolveConfig(config).dataDir, topic, partition)
    checkOptions('WalReader.open', options, OPTIONS)
    const { clock = new SystemClock() } = options
    await statDirectory(fs, located.directory)
    return new WalReader(fs, located, clock)
  }

  /**
   * Iterates over the records from an offset or a time on, in order, up to the end of the log.
   *
   * Where the end is: in the writer's thread, at the high watermark when the iteration began. If a writer is opened in
   * this thread later, at the high watermark when the iteration first meets it. In another thread or process, after the
   * last whole commit in the file. The writer may not have acknowledged that commit yet; `durableOnly` leaves it out.
   *
   * With `follow` the iteration does not end there but waits for more. It continues across everything that the writer
   * does: rotation, a segment abandoned after a failed write, deletion of old segments, closing and opening again. A
   * writer in this thread wakes the iteration, shows it nothing that is not durable, and hands over recent commits from
   * memory. Without a writer in this thread the directory is watched.
   *
   * The path is looked up when the iteration begins, and again when it may lead to another directory. If it does, the
   * iteration continues if the log there is the same up to its place. It throws `DivergedError` if another log is
   * there, or begins in that log if it had returned nothing yet. It throws `LogNotFoundError` if nothing is there.
   *
   * A dropped iteration holds only the file that it reads, until it is garbage-collected. Leave the loop or call
   * `return` to close the file immediately.
   *
   * Keys and values are views on buffers that are never written again and that other readers may share: they stay valid
   * as long as you hold them, and keep their whole commit, or the 512 KiB it was read with, in memory. Do not change
   * them.
   *
   * The iteration throws a `RangeError` or `TypeError` for a bad option, `OffsetOutOfRangeError` for an offset that the
   * log does not have or no longer has, `CorruptLogError` at the first damaged bytes, `DivergedError` if records that
   * it returned are no longer in the log, `UnsupportedFormatError`, `WalIoError`, the reason of an aborted `signal`,
   * `ClosedError` once the reader is closed, and `OpaqueBatchError` at a batch whose records only its producer can
   * read: `readBatches` returns it, and reading can go on at its `nextOffset`. An opaque batch before `fromTimestampMs`
   * is passed over. At damage, the records before it have been returned. The exception is damage that hides where a
   * segment ends, in the head of its successor or in its last frame: then no record of that segment is returned.
   *
   * @example
   * ```ts
   * for await (const { offset } of reader.read({ from: 0n, maxRecords: 2 })) console.log(offset) // 0n, 1n
   *
   * // With `follow`, the iteration waits for new records instead of ending.
   * for await (const { offset } of reader.read({ from: 2n, follow: true })) {
   *   if (offset === 2n) break
   * }
   * ```
   */
  read(options: ReadOptions = {}): AsyncIterableIterator<LogRecord> {
    const check = () => checkReadOptions(options, 'read')
    return this.#iterate(check, (located, range) => new CommitRecords(located, range))
  }

  /**
   * Iterates over whole commits, undecoded, for programs that pass them on. The first commit may begin before the
   * offset or time that was asked for, and the last may end after `to`. `maxRecords` and `maxBytes` end the iteration
   * before the commit that would exceed them, except for the first commit. With `exact` the batches are cut where the
   * range begins and ends. The iteration throws as `read` does, but for `OpaqueBatchError`.
   *
   * @example
   * ```ts
   * for await (const batch of reader.readBatches()) {
   *   console.log(batch.baseOffset, batch.recordCount) // 0n 3
   * }
   * ```
   */
  readBatches(options: ReadBatchesOptions = {}): AsyncIterableIterator<RecordBatch> {
    const check = () => checkReadOptions(options, 'readBatches')
    return this.#iterate(check, (located, range) => new CommitBatch(located, range))
  }

  /**
   * Resolves with the first record whose timestamp is `timestampMs` or later, in milliseconds since 1970: its offset
   * and timestamp. Null if there is none. For an opaque batch that reaches this time it is the base offset of the batch
   * and its largest timestamp. If the writer is in another thread or process, that record may be in a commit that is
   * not durable yet. Rejects as `read` does.
   *
   * @example
   * ```ts
   * const found = await reader.offsetAt(Date.parse('2026-01-01T12:01Z'))
   * console.log(found?.offset) // 1n
   * ```
   */
  async offsetAt(timestampMs: number): Promise<TimedOffset | null> {
    for await (const batch of this.readBatches({ fromTimestampMs: timestampMs, maxRecords: 1, exact: true })) {
      return { offset: batch.baseOffset, timestampMs: batch.maxTimestampMs }
    }
    return null
  }

  /**
   * Fetches batches, as a broker answers a request: resolves with what is there from an offset on, up to `maxBytes`. If
   * there are fewer than `minBytes`, it waits for more, at most `maxWaitMs`, and then resolves with what is there,
   * possibly nothing. It does not wait once everything before `to` is there.
   *
   * The batches are cut exactly: they hold no record before `from`, nor at or after `to`. An opaque batch cannot be
   * cut: one that begins before `from` is returned whole; one that ends after `to` is left out. Nothing at or beyond
   * the log end offset is returned, as `read` describes it.
   *
   * A fetch that goes on where the last one of this reader ended continues it and reads nothing twice. For that the
   * reader may keep a file open and up to 1 MiB in memory, for at most 8 places, until it is closed. Any number of
   * fetches can be in progress. Recent commits come from memory if a writer in this thread has appended them.
   *
   * If reading fails after a batch was found, for example because the log was deleted while the fetch waited, the fetch
   * resolves with what it has found. The next one rejects.
   *
   * Rejects with a `TypeError` or `RangeError` for a bad option, with `OffsetOutOfRangeError` for an offset that the
   * log does not have or no longer has, also if it is truncated meanwhile, with the reason of an aborted `signal`, with
   * `ClosedError` once the reader is closed, and with `CorruptLogError`, `UnsupportedFormatError`, `LogNotFoundError`
   * and `WalIoError` as `read` does.
   *
   * @example
   * ```ts
   * const { batches, nextOffset, highWatermark } = await reader.fetch({ from: 0n, to: 2n })
   * console.log(batches.length, nextOffset, highWatermark) // 1 2n 2n
   *
   * // At the end of the log, this waits until there is a record, or for half a second.
   * const latest = await reader.fetch({ from: 3n, maxWaitMs: 500 })
   * console.log(latest.batches.length, latest.nextOffset) // 0 3n
   * ```
   */
  async fetch(options: FetchOptions): Promise<FetchResult> {
    return this.#fetches.fetch(checkFetchOptions(options))
  }

  /**
   * Resolves with true once the log has a record with this offset, or has had it, and with false if that takes longer
   * than `maxWaitMs`. The offset may be beyond the end of the log. Rejects with a `TypeError` or `RangeError` for a bad
   * offset or option, and otherwise as `fetch` does, but not for an offset that the log does not have.
   *
   * @example
   * ```ts
   * console.log(await reader.waitFor(2n), await reader.waitFor(3n, { maxWaitMs: 0 })) // true false
   * ```
   */
  async waitFor(offset: bigint, options: WaitOptions = {}): Promise<boolean> {
    return this.#fetches.waitFor(checkOffset(offset, 'offset'), checkWaitOptions(options))
  }

  /**
   * The log start offset and the log end offset. With a writer in this thread, both come from its memory, and the end
   * is its high watermark. Otherwise the directory is listed, and the last segment read, on later calls only what is
   * new; the end is then after the last whole commit in the file, as for `read`. Rejects as `fetch` does.
   *
   * @example
   * ```ts
   * console.log(await reader.bounds()) // { logStartOffset: 0n, logEndOffset: 3n }
   * ```
   */
  bounds(): Promise<LogBounds> {
    return this.#fetches.bounds()
  }

  /** The counters of this reader, over all its iterations and fetches. */
  stats(): ReaderStats {
    return { ...this.#counters }
  }

  /**
   * Ends all iterations at their next record, and all fetches, including those that wait. Each closes its file when it
   * ends. Files that are kept open between fetches are closed when this resolves.
   */
  close(): Promise<void> {
    this.#closing.close()
    return this.#fetches.close()
  }

  /** Does the same as `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #iterate<T>(check: () => ReadRange, elementsOf: ElementsOf<T>): LogIterator<T> {
    const waker = new Waker()
    return new LogIterator(() => {
      const range = check()
      const selection = new Selection(range, elementsOf, this.#counters)
      return { stream: this.#stream(range, waker), selection }
    }, waker)
  }

  #stream(range: ReadRange, waker: Waker): FrameStream {
    waker.endBy(this.#closing)
    if (range.signal !== null) waker.endBy(signalEnding(range.signal))
    return new FrameStream({ fs: this.#fs, partition: this.#partition, attached: this.#attached, waker }, range)
  }
}

/** Holds the log that was read last in a set. A stream of a reader that is dropped does not hold the reader. */
function holding(lastRead: Set<SharedLog>): (shared: SharedLog) => void {
  return (shared) => {
    lastRead.clear()
    lastRead.add(shared)
  }
}

/** Ends the iterations and fetches of a closed reader. */
class Closing implements Ending {
  readonly #directory: string
  readonly #notifier = new Notifier()
  failure: { readonly reason: unknown } | null = null

  constructor(directory: string) {
    this.#directory = directory
  }

  close(): void {
    this.failure ??= { reason: new ClosedError('reader', this.#directory) }
    this.#notifier.notify()
  }

  add(waker: Waker): void {
    this.#notifier.add(waker)
  }

  delete(waker: Waker): void {
    this.#notifier.delete(waker)
  }
}
