/** Archives the logs of a broker: the ended segments of each go to an object store, oldest first. */
import { Random, SystemClock } from '@sq/sim'
import type { Clock, FileSystem } from '@sq/sim'
import type { ClosedSegment, WalConfig } from '@sq/storage'
import { ArchiverClosedError } from '../errors.ts'
import type { FencedError, LogMismatchError } from '../errors.ts'
import type { ObjectStore } from '../object-store.ts'
import { folderOf } from '../segment-key.ts'
import { checkWholeNumber } from '../whole-number.ts'
import { LogArchiver } from './log-archiver.ts'
import type { ArchivedWriter, AttachOptions, LocalRetention, LogArchiverStats } from './log-archiver.ts'
import { Slots } from './slots.ts'

const MAX_CONCURRENT_UPLOADS = 4
/** A timer goes off twice in that time, and can be set for half of it: 49 days. */
const MAX_UNARCHIVED_MS = 2 * (2 ** 31 - 1)

/** Options of `Archiver`. All are optional. */
export interface ArchiverOptions {
  /** Names that all keys begin with, without a slash at the end; none if empty, the default. */
  readonly prefix?: string
  /**
   * How much of a log to keep locally, in addition to what is not archived yet. It is applied after each upload. If not
   * given, nothing is deleted locally.
   */
  readonly localRetention?: LocalRetention
  /**
   * The longest that a record may be in a segment that has not ended, in milliseconds, before the archiver ends it, up
   * to 49 days. If
   * not given, segments end by their size and age only. Small values make many small objects. Until the store answers
   * for the first time, no segment is ended: none could be archived, and there would only be more of them.
   */
  readonly maxUnarchivedMs?: number
  /** How many logs are served at the same time. Default 4. */
  readonly maxConcurrentUploads?: number
  /**
   * Called when a log is not archived any more, because another writer owns it or it does not continue its archive.
   * Close its writer then. The callback must not throw: an exception ends the process.
   */
  readonly onStopped?: (error: FencedError | LogMismatchError, log: LogArchiver) => void
  /** The clock; the machine's clock if not given. */
  readonly clock?: Clock
  /** The source of the random part of delays; unpredictable if not given. */
  readonly random?: Random
}

/** Counters of the archiving of all logs that are attached. */
export interface ArchiverStats {
  readonly logs: number
  readonly uploadedSegments: number
  readonly uploadedBytes: number
  /** Attempts that failed and are made again. */
  readonly retries: number
  /** Ended segments that are not archived yet. */
  readonly pendingSegments: number
  readonly pendingBytes: number
}

/**
 * Archives logs next to their writers. Pass `onSegmentClosed` to `WalWriter.open`, and attach each writer. The store
 * need not be reachable: what fails is tried again, after a delay that grows to 30 seconds.
 *
 * @example
 * ```ts
 * const archiver = new Archiver(fs, config, store)
 * const writer = await WalWriter.open(fs, config, 'orders', 0, { onSegmentClosed: archiver.onSegmentClosed })
 * const log = archiver.attach(writer, 'orders', 0)
 * ```
 */
export class Archiver implements AsyncDisposable {
  /** For `WalWriter.open`, of all logs: takes a segment that has ended. */
  readonly onSegmentClosed = (segment: ClosedSegment): void => {
    this.#logs.get(nameOf(segment))?.segmentClosed(segment)
  }

  readonly #fs: FileSystem
  readonly #dataDir: string
  readonly #store: ObjectStore
  readonly #options: ArchiverOptions
  readonly #clock: Clock
  readonly #random: Random
  readonly #slots: Slots
  readonly #logs = new Map<string, LogArchiver>()
  #isClosed = false

  /** Throws a `RangeError` for a bad number, and an `ObjectStoreError` for a bad prefix. */
  constructor(
    fs: FileSystem,
    { dataDir }: Pick<WalConfig, 'dataDir'>,
    store: ObjectStore,
    options: ArchiverOptions = {},
  ) {
    const { maxConcurrentUploads = MAX_CONCURRENT_UPLOADS, maxUnarchivedMs, prefix } = options
    checkWholeNumber('maxConcurrentUploads', maxConcurrentUploads, { least: 1 })
    if (maxUnarchivedMs !== undefined) {
      checkWholeNumber('maxUnarchivedMs', maxUnarchivedMs, { least: 1, most: MAX_UNARCHIVED_MS })
    }
    if (prefix !== undefined) folderOf({ prefix, topic: 'topic', partition: 0 })
    this.#fs = fs
    this.#dataDir = dataDir
    this.#store = store
    this.#options = options
    this.#clock = options.clock ?? new SystemClock()
    this.#random = options.random ?? Random.fromEntropy()
    this.#slots = new Slots(maxConcurrentUploads)
  }

  /**
   * Begins to archive a log whose writer is open: what an earlier process has left, and each segment that ends. Throws
   * if the log is attached already, and `ArchiverClosedError` after `close`.
   */
  attach(writer: ArchivedWriter, topic: string, partition: number, options: AttachOptions = {}): LogArchiver {
    const name = nameOf({ topic, partition })
    if (this.#isClosed) throw new ArchiverClosedError(name)
    if (this.#logs.has(name)) throw new Error(`the log ${name} is attached already; close its archiver first`)
    const { prefix = '', localRetention = null, maxUnarchivedMs = null, onStopped } = this.#options
    const context = {
      fs: this.#fs,
      dataDir: this.#dataDir,
      store: this.#store,
      prefix,
      clock: this.#clock,
      random: this.#random,
      slots: this.#slots,
      localRetention,
      maxUnarchivedMs,
      onStopped: (error: FencedError | LogMismatchError) => onStopped?.(error, log),
      onClosed: () => {
        if (this.#logs.get(name) === log) this.#logs.delete(name)
      },
    }
    const log: LogArchiver = new LogArchiver(context, writer, { topic, partition, ...options })
    this.#logs.set(name, log)
    return log
  }

  /** Cheap: nothing is read. */
  stats(): ArchiverStats {
    const sum = { logs: 0, uploadedSegments: 0, uploadedBytes: 0, retries: 0, pendingSegments: 0, pendingBytes: 0 }
    for (const log of this.#logs.values()) {
      const stats: LogArchiverStats = log.stats()
      sum.logs++
      sum.uploadedSegments += stats.uploadedSegments
      sum.uploadedBytes += stats.uploadedBytes
      sum.retries += stats.retries
      sum.pendingSegments += stats.pendingSegments
      sum.pendingBytes += stats.pendingBytes
    }
    return sum
  }

  /** Closes the archivers of all logs, as `LogArchiver.close` does. Rejects with the first failure. */
  async close(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    this.#isClosed = true
    const closing = await Promise.allSettled([...this.#logs.values()].map((log) => log.close(options)))
    for (const result of closing) if (result.status === 'rejected') throw result.reason
  }

  /** Does the same as `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

function nameOf({ topic, partition }: { topic: string; partition: number }): string {
  return `${topic}/${partition}`
}
