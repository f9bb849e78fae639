/** Reads a log as one whose older segments are in an archive, and whose newer ones are on this machine. */
import { posix } from 'node:path'
import type { Clock, FileSystem } from '@sq/sim'
import type {
  FetchOptions,
  FetchResult,
  LogBounds,
  LogRecord,
  ReadBatchesOptions,
  ReaderStats,
  ReadOptions,
  RecordBatch,
  TimedOffset,
  WaitOptions,
  WalConfig,
} from '@sq/storage'
import { Tier } from './tier.ts'
import { BATCHES, RECORDS, TieredIterator } from './tiered-iterator.ts'
import { isBeforeStart, Tiers } from './tiers.ts'

/** Options of `TieredReader.open`. Only `archive` is required. */
export interface TieredReaderOptions {
  /** The archive, as an `ObjectStoreFileSystem`. All readers of a process can share it, and its memory. */
  readonly archive: FileSystem
  /** The clock that limits how long fetches wait; the machine's clock if not given. */
  readonly clock?: Clock
}

/** The part of a log's offsets that has records, and where they are. */
export interface TieredBounds extends LogBounds {
  /** The first offset that is on this machine; the log end offset if there is no local log. */
  readonly localStartOffset: bigint
  /** The offset after the last record that is archived; the log start offset if none is. */
  readonly archiveEndOffset: bigint
}

/**
 * Reads the log of one partition from its archive and from this machine, with the interface of `WalReader`. Offsets
 * that are in both are read locally. Segments may move to the archive, and be deleted here, while it reads.
 *
 * There may be no local log, for example on another machine, and nothing in the archive yet, but not neither.
 *
 * An error of the object store is a `WalIoError`, whose `cause` leads to it. An offset that is missing between the end
 * of the archive and the beginning of the local log is a `CorruptLogError` with these two offsets.
 *
 * Records that `deleteRecords` has removed from the local log are still in the archive, and are read from there.
 *
 * @example
 * ```ts
 * const archive = new ObjectStoreFileSystem(store)
 * const reader = await TieredReader.open(fs, { dataDir: './data' }, 'orders', 0, { archive })
 * for await (const { offset, value } of reader.read()) {
 *   console.log(offset, Buffer.from(value ?? '').toString()) // 0n paid
 * }
 * await reader.close()
 * ```
 */
export class TieredReader implements AsyncDisposable {
  readonly #local: Tier
  readonly #archive: Tier
  readonly #tiers: Tiers

  private constructor(path: string, local: Tier, archive: Tier) {
    this.#local = local
    this.#archive = archive
    this.#tiers = new Tiers(path, { local, archive })
  }

  /**
   * Opens a log for reading. Rejects with a `LogNotFoundError` if it is neither on this machine nor in the archive, and
   * otherwise as `WalReader.open` does.
   */
  static async open(
    fs: FileSystem,
    config: WalConfig,
    topic: string,
    partition: number,
    { archive, clock }: TieredReaderOptions,
  ): Promise<TieredReader> {
    const options = clock === undefined ? {} : { clock }
    const reader = new TieredReader(
      posix.join('/', topic, String(partition)),
      new Tier({ fs, config, topic, partition, options }),
      new Tier({ fs: archive, config: { dataDir: '/' }, topic, partition, options }),
    )
    await reader.#tiers.bounds()
    return reader
  }

  /**
   * Iterates over the records from an offset or a time on, as `WalReader.read` does. `follow` waits for what is appended
   * to the local log; without one, for segments that come into the archive.
   */
  read(options: ReadOptions = {}): AsyncIterableIterator<LogRecord> {
    return new TieredIterator(this.#tiers, RECORDS, options)
  }

  /** Iterates over whole commits, as `WalReader.readBatches` does. */
  readBatches(options: ReadBatchesOptions = {}): AsyncIterableIterator<RecordBatch> {
    return new TieredIterator(this.#tiers, BATCHES, options)
  }

  /** Resolves with the first record whose timestamp is this or later, as `WalReader.offsetAt` does. */
  offsetAt(timestampMs: number): Promise<TimedOffset | null> {
    return this.#tiers.offsetAt(timestampMs)
  }

  /**
   * Fetches batches, as `WalReader.fetch` does. A fetch in the archive returns what is there without waiting for
   * `minBytes`, and ends where the archive ends: the next one goes on in the local log.
   */
  async fetch(options: FetchOptions): Promise<FetchResult> {
    const local = await this.#tiers.local()
    if (local !== null) {
      try {
        const result = await local.fetch(options)
        return { ...result, logStartOffset: await this.#tiers.startOf(result.logStartOffset) }
      } catch (error) {
        if (!isBeforeStart(error, options.from)) throw error
      }
    }
    const { reader, logStartOffset, logEndOffset } = await this.#tiers.archivedPart(options.from)
    const { to = logEndOffset } = options
    const result = await reader.fetch(local === null ? options : { ...options, maxWaitMs: 0 })
    return { ...result, logStartOffset, highWatermark: to < logEndOffset ? to : logEndOffset }
  }

  /** Resolves with true once the log has a record with this offset, as `WalReader.waitFor` does. */
  async waitFor(offset: bigint, options: WaitOptions = {}): Promise<boolean> {
    const reader = (await this.#tiers.local()) ?? (await this.#tiers.archive())
    if (reader === null) return false
    return reader.waitFor(offset, options)
  }

  /** The bounds of the log, and of its two parts. */
  async bounds(): Promise<TieredBounds> {
    const { local, archive, logStartOffset, logEndOffset } = await this.#tiers.bounds()
    return {
      logStartOffset,
      logEndOffset,
      localStartOffset: local?.logStartOffset ?? logEndOffset,
      archiveEndOffset: archive?.logEndOffset ?? logStartOffset,
    }
  }

  /** The counters of this reader, over its iterations and fetches in both places. */
  stats(): ReaderStats {
    const sum = { records: 0, commits: 0, bytes: 0 }
    for (const { opened } of [this.#local, this.#archive]) {
      if (opened === null) continue
      const { records, commits, bytes } = opened.stats()
      sum.records += records
      sum.commits += commits
      sum.bytes += bytes
    }
    return sum
  }

  /** Ends all iterations and fetches, as `WalReader.close` does. */
  async close(): Promise<void> {
    await Promise.all([this.#local.close(), this.#archive.close()])
  }

  /** Does the same as `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
