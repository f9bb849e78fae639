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
 * of the archive and the beginning of the local log is a `CorruptLogError` with these two offsets. So is a local log
 * that does not continue the archived segment before it, when reading comes to its beginning: they are two logs.
 *
 * After damage, what was read in the archive is forgotten: the next read asks the store again.
 *
 * The log ends where the local log ends, because that is the one that is written. If the archive goes on after that, for
 * example because another machine has taken over, that part is not read: a `WalReader` on the archive reads it.
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
    return this.#tiers.reading(() => this.#tiers.offsetAt(timestampMs))
  }

  /**
   * Fetches batches, as `WalReader.fetch` does. A fetch in the archive returns what is there without waiting for
   * `minBytes`, and ends where the local log begins: the next one goes on there.
   */
  fetch(options: FetchOptions): Promise<FetchResult> {
    return this.#tiers.reading(() => this.#fetch(options))
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

  async #fetch(options: FetchOptions): Promise<FetchResult> {
    const local = await this.#tiers.local()
    if (local !== null) {
      try {
        const result = await local.fetch(options)
        return { ...result, logStartOffset: await this.#tiers.startOf(result.logStartOffset) }
      } catch (error) {
        if (!isBeforeStart(error, options.from)) throw error
      }
    }
    const part = await this.#tiers.archivedPart(options.from)
    const { reader, logStartOffset, logEndOffset } = part
    const { to = logEndOffset } = options
    const highWatermark = to < logEndOffset ? to : logEndOffset
    if (part.to === null) return { ...(await reader.fetch(options)), logStartOffset, highWatermark }
    // The local log was reset meanwhile, and has the offset now.
    if (options.from >= part.to) return this.#fetch(options)
    const archivedTo = part.to < to ? part.to : to
    const result = await reader.fetch({ ...options, to: archivedTo, maxWaitMs: 0 })
    if (result.nextOffset >= part.to) await this.#tiers.checkContinued()
    return { ...result, logStartOffset, highWatermark }
  }
}
