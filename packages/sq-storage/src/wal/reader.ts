/**
 * Reads a partition's log, record by record or commit by commit, with every checksum on the way checked. It opens
 * nothing for writing and takes no lock, so it may run beside a writer, in its process or in another.
 */
import { setMaxListeners } from 'node:events'
import type { FileSystem } from '@sq/sim'
import { resolveConfig } from '../config.ts'
import type { WalConfig } from '../config.ts'
import { ClosedError } from '../errors.ts'
import { Alarm } from './alarm.ts'
import type { Frame } from './frame.ts'
import { FrameStream } from './frame-stream.ts'
import { PageIterator } from './page-iterator.ts'
import type { Pages } from './page-iterator.ts'
import { BatchPages, RecordPages } from './pages.ts'
import type { PagesContext } from './pages.ts'
import { locatePartition } from './partition.ts'
import type { Partition } from './partition.ts'
import { checkReadOptions } from './read-options.ts'
import type { ReadOptions, ReadRange } from './read-options.ts'
import type { RecordBatch } from './record-batch.ts'
import type { LogRecord } from './record.ts'
import { statDirectory } from './segment-file.ts'
import { sharedLog } from './shared-log.ts'
import type { SharedLog } from './shared-log.ts'

/** What a reader has returned since it was opened. A picture of one moment: it does not change later. */
export interface ReaderStats {
  /** Records returned, and those about to be: up to 256 of a commit are taken at a time. */
  readonly records: number
  /** The commits they were in, and the bytes of those commits' frames. */
  readonly commits: number
  readonly bytes: number
}

/**
 * Reads one partition's log. Any number of readers may have it open, beside a writer or without one, here or in other
 * processes; each may have any number of iterations under way.
 */
export class WalReader implements AsyncDisposable {
  readonly #fs: FileSystem
  readonly #partition: Partition
  readonly #shared: SharedLog
  /** Of the iterations that are under way. */
  readonly #alarms = new Set<Alarm>()
  readonly #counters = { records: 0, commits: 0, bytes: 0 }
  #closed = false

  private constructor(fs: FileSystem, partition: Partition, shared: SharedLog) {
    this.#fs = fs
    this.#partition = partition
    this.#shared = shared
  }

  /**
   * Opens a partition's log for reading. Rejects with a `TypeError` or `RangeError` for a bad config, topic or
   * partition, with `LogNotFoundError` where no log was ever opened for writing, with `WalIoError`.
   */
  static async open(fs: FileSystem, config: WalConfig, topic: string, partition: number): Promise<WalReader> {
    const located = locatePartition(resolveConfig(config).dataDir, topic, partition)
    const { identity } = await statDirectory(fs, located.directory)
    return new WalReader(fs, located, sharedLog(identity))
  }

  /**
   * The records from an offset or a time on, in order, up to the end of the log. In the writer's thread that is what
   * was durable when the iteration began, or first met a writer that was opened later. In another thread or process it is
   * the last whole commit in the file, which may be there a moment before its writer acknowledges it; `durableOnly`
   * leaves it out then.
   *
   * With `follow` the iteration does not end there, but waits for more, across everything the writer does: rotation,
   * healing, deletion of old segments, closing and opening again. A writer in this thread wakes it, nothing is shown
   * before it is durable, and the commits just made need no file; where there is none, the directory is watched.
   *
   * Keys and values are views on buffers that are not used again, and that other readers may see: they stay valid as
   * long as you hold them, and hold their whole commit in memory, or the 512 KiB it was read with. Do not change them.
   *
   * The iteration throws a `RangeError` or `TypeError` for a bad option, `OffsetOutOfRangeError` for an offset the log
   * does not have, or has no more, `CorruptLogError` at the first damaged bytes, `DivergedError` where records that it
   * returned are no longer in the log, `UnsupportedFormatError`, `WalIoError`, the reason of an aborted `signal`, and
   * `ClosedError` once the reader is closed. The records before the damage were returned then; but where it leaves open
   * how far a segment is valid (the head of its successor, its last frame), none of that segment. Leaving the loop
   * early gives up the files.
   */
  read(options: ReadOptions = {}): AsyncIterableIterator<LogRecord> {
    return this.#iterate(options, (context) => new RecordPages(context))
  }

  /**
   * The same in whole commits, undecoded, for whoever passes them on: the first may begin before the offset or time
   * that is wanted, the last end behind `to`. `maxRecords` and `maxBytes` end before the commit that would go past them,
   * but for the first.
   */
  readBatches(options: ReadOptions = {}): AsyncIterableIterator<RecordBatch> {
    return this.#iterate(options, (context) => new BatchPages(context))
  }

  /**
   * The offset of the first record whose timestamp is this or later, in milliseconds since 1970; null where there is
   * none. In another thread or process than the writer's it may be in a commit that is not durable yet. Rejects as
   * `read` does.
   */
  async offsetAt(timestampMs: number): Promise<bigint | null> {
    for await (const { offset } of this.read({ fromTimestampMs: timestampMs, maxRecords: 1 })) return offset
    return null
  }

  /** What this reader has returned so far, in all its iterations. */
  stats(): ReaderStats {
    return { ...this.#counters }
  }

  /** Ends all iterations at their next record, also those that wait for one. Their files are closed when they end. */
  close(): Promise<void> {
    this.#closed = true
    for (const alarm of this.#alarms) alarm.fail(this.#closedError())
    return Promise.resolve()
  }

  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #iterate<T>(options: ReadOptions, pagesOf: (context: PagesContext) => Pages<T>): PageIterator<T> {
    const alarm = new Alarm()
    return new PageIterator(() => {
      const range = checkReadOptions(options)
      const count = (records: number, frame: Frame | null): void => {
        this.#counters.records += records
        if (frame === null) return
        this.#counters.commits++
        this.#counters.bytes += frame.bytes.length
      }
      return pagesOf({ stream: this.#stream(range, alarm), range, count })
    }, alarm)
  }

  #stream(range: ReadRange, alarm: Alarm): FrameStream {
    const { signal } = range
    const onAbort = (): void => alarm.fail(signal.reason)
    if (this.#closed) alarm.fail(this.#closedError())
    if (signal.aborted) onAbort()
    // Many may follow until one signal: no leak, of which Node would warn.
    setMaxListeners(0, signal)
    signal.addEventListener('abort', onAbort)
    this.#alarms.add(alarm)
    const release = (): void => {
      this.#alarms.delete(alarm)
      signal.removeEventListener('abort', onAbort)
    }
    return new FrameStream({ fs: this.#fs, partition: this.#partition, shared: this.#shared, alarm, release }, range)
  }

  #closedError(): ClosedError {
    return new ClosedError('reader', this.#partition.directory)
  }
}
