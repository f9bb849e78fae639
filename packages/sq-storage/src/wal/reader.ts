/**
 * Reads a partition's log, record by record, with every checksum on the way checked. It opens nothing for writing and
 * takes no lock, so it may run beside a writer, in its process or in another.
 */
import type { FileSystem } from '@sq/sim'
import { resolveConfig, show } from '../config.ts'
import type { WalConfig } from '../config.ts'
import { ClosedError } from '../errors.ts'
import { notRecords } from './damage.ts'
import { durableBound } from './live-logs.ts'
import { scanLog } from './log-scan.ts'
import { locatePartition } from './partition.ts'
import type { Partition } from './partition.ts'
import { decodeRecords } from './record.ts'
import type { LogRecord } from './record.ts'
import { statDirectory } from './segment-file.ts'

export interface ReadOptions {
  /** The first offset to read; the log's first one if not given. The log's next offset is allowed, and reads nothing. */
  readonly from?: bigint
}

export class WalReader implements AsyncDisposable {
  readonly #fs: FileSystem
  readonly #partition: Partition
  readonly #directoryIdentity: string
  #closed = false

  private constructor(fs: FileSystem, partition: Partition, directoryIdentity: string) {
    this.#fs = fs
    this.#partition = partition
    this.#directoryIdentity = directoryIdentity
  }

  /**
   * Opens a partition's log for reading. Rejects with a `TypeError` or `RangeError` for a bad config, topic or
   * partition, with `LogNotFoundError` where no log was ever opened for writing, with `WalIoError`.
   */
  static async open(fs: FileSystem, config: WalConfig, topic: string, partition: number): Promise<WalReader> {
    const located = locatePartition(resolveConfig(config).dataDir, topic, partition)
    const { identity } = await statDirectory(fs, located.directory)
    return new WalReader(fs, located, identity)
  }

  /**
   * The records from an offset on, in order, up to the end of the log. In the writer's thread that is what was durable
   * when the iteration began, or first met a writer that was opened later. In another thread or process it is the last whole
   * commit in the file, which may be there a moment before its writer acknowledges it.
   *
   * Keys and values are views on buffers that are not used again: they stay valid as long as you hold them, and hold
   * their whole commit in memory, or the 256 KiB it was read with.
   *
   * The iteration throws a `RangeError` or `TypeError` for a bad `from`, `OffsetOutOfRangeError` for an offset the log
   * does not have, `CorruptLogError` at the first damaged bytes, `DivergedError`, `UnsupportedFormatError`,
   * `WalIoError`, and `ClosedError` once the reader is closed. The records before the damage were returned then; but
   * where it leaves open how far a segment is valid (the head of its successor, its last frame), none of that segment.
   * Leaving the loop early gives up the files.
   */
  async *read(options: ReadOptions = {}): AsyncGenerator<LogRecord, void, undefined> {
    const from = checkFrom(options.from)
    if (this.#closed) throw this.#closedError()
    const [fs, partition, identity] = [this.#fs, this.#partition, this.#directoryIdentity]
    const range = { fs, partition, from, durableBound: () => durableBound(identity) }
    for await (const { path, frame } of scanLog(range)) {
      const records = decodeRecords(frame.body, frame.header)
      if (records === null) throw notRecords(path, frame.header)
      // A batch is one frame: the first frame may begin before the offset that is wanted.
      const skipped = from === null ? 0 : Math.max(from - frame.header.baseOffset, 0)
      for (const record of records.slice(skipped)) {
        if (this.#closed) throw this.#closedError()
        yield record
      }
    }
  }

  /** Ends all iterations at their next record. The files of an iteration are closed when it ends. */
  close(): Promise<void> {
    this.#closed = true
    return Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #closedError(): ClosedError {
    return new ClosedError('reader', this.#partition.directory)
  }
}

function checkFrom(from: bigint | undefined): number | null {
  if (from === undefined) return null
  if (typeof from !== 'bigint') throw new TypeError(`from must be a bigint, not ${show(from)}`)
  if (from < 0n || from > Number.MAX_SAFE_INTEGER) {
    throw new RangeError(`from must be an offset from 0 to 2^53 - 1: ${from}`)
  }
  return Number(from)
}
