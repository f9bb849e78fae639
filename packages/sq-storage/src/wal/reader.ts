/**
 * Reads a partition's log, record by record or commit by commit, with every checksum on the way checked. It opens
 * nothing for writing and takes no lock, so it may run beside a writer, in its process or in another.
 */
import type { FileSystem } from '@sq/sim'
import { resolveConfig } from '../config.ts'
import type { WalConfig } from '../config.ts'
import { ClosedError } from '../errors.ts'
import type { Frame } from './format/frame.ts'
import type { RecordBatch } from './format/record-batch.ts'
import type { LogRecord } from './format/record.ts'
import { FrameStream } from './reading/frame-stream.ts'
import { PageIterator } from './reading/page-iterator.ts'
import type { Pages } from './reading/page-iterator.ts'
import { BatchPages, RecordPages } from './reading/pages.ts'
import type { PagesContext } from './reading/pages.ts'
import { checkReadOptions } from './reading/read-options.ts'
import type { ReadOptions, ReadRange } from './reading/read-options.ts'
import { signalEnding } from './reading/signal-ending.ts'
import { locatePartition } from './segments/partition.ts'
import type { Partition } from './segments/partition.ts'
import { statDirectory } from './segments/segment-file.ts'
import { Waker, Notifier } from './shared/waker.ts'
import type { Ending } from './shared/waker.ts'
import type { SharedLog } from './shared/shared-log.ts'

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
  /** The log that was read last, held so that what is known of it is there for the next iteration. */
  readonly #lastRead = new Set<SharedLog>()
  readonly #closing: Closing
  readonly #counters = { records: 0, commits: 0, bytes: 0 }

  private constructor(fs: FileSystem, partition: Partition) {
    this.#fs = fs
    this.#partition = partition
    this.#closing = new Closing(partition.directory)
  }

  /**
   * Opens a partition's log for reading. Rejects with a `TypeError` or `RangeError` for a bad config, topic or
   * partition, with `LogNotFoundError` where no log was ever opened for writing, with `WalIoError`.
   */
  static async open(fs: FileSystem, config: WalConfig, topic: string, partition: number): Promise<WalReader> {
    const located = locatePartition(resolveConfig(config).dataDir, topic, partition)
    await statDirectory(fs, located.directory)
    return new WalReader(fs, located)
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
   * The log is looked for at its path when the iteration begins, and whenever the path may lead elsewhere by then. Where
   * it leads to another directory, the iteration goes on if the same log is there as far as it was read; it throws
   * `DivergedError` if another one is, or begins in that one where it had returned nothing; and `LogNotFoundError` where
   * nothing is there.
   *
   * An iteration that is dropped holds nothing, but for the file it is in: that is closed when the iteration is
   * collected. Leave the loop or call `return` to have it closed at once.
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
    this.#closing.close()
    return Promise.resolve()
  }

  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #iterate<T>(options: ReadOptions, pagesOf: (context: PagesContext) => Pages<T>): PageIterator<T> {
    const waker = new Waker()
    return new PageIterator(() => {
      const range = checkReadOptions(options)
      const count = (records: number, frame: Frame | null): void => {
        this.#counters.records += records
        if (frame === null) return
        this.#counters.commits++
        this.#counters.bytes += frame.bytes.length
      }
      return pagesOf({ stream: this.#stream(range, waker), range, count })
    }, waker)
  }

  #stream(range: ReadRange, waker: Waker): FrameStream {
    waker.endBy(this.#closing)
    if (range.signal !== null) waker.endBy(signalEnding(range.signal))
    const attached = (shared: SharedLog): void => {
      this.#lastRead.clear()
      this.#lastRead.add(shared)
    }
    return new FrameStream({ fs: this.#fs, partition: this.#partition, attached, waker }, range)
  }
}

/** Ends the iterations of a reader that is closed. */
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
