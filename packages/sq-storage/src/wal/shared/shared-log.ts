/**
 * State that the readers and the writer of one log share, in one thread and through one copy of the package: the high
 * watermark, the latest commits, the files being read, and a notifier for readers that wait. The key is the identity of
 * the directory of the partition, so every path to it leads to the same state.
 */
import { setImmediate } from 'node:timers'
import type { FileSystem, Watch } from '@sq/sim'
import type { IndexEntry } from '../format/seal.ts'
import { Notifier } from './waker.ts'
import { MAX_RECENT_BYTES, RecentFrames } from './recent-frames.ts'
import type { WrittenFrames } from './recent-frames.ts'
import { SegmentIndexes } from './segment-index.ts'
import { SharedFiles } from './shared-files.ts'
import { SegmentTimes } from './time-index.ts'

const logs = new Map<string, WeakRef<SharedLog>>()
const forgotten = new FinalizationRegistry<string>((identity) => {
  if (logs.get(identity)?.deref() === undefined) logs.delete(identity)
})

/** The shared state of the log in this directory: all that hold it at the same time share one object. */
export function sharedLog(directoryIdentity: string): SharedLog {
  const known = logs.get(directoryIdentity)?.deref()
  if (known !== undefined) return known
  const made = new SharedLog()
  logs.set(directoryIdentity, new WeakRef(made))
  forgotten.register(made, directoryIdentity)
  return made
}

/** The end of a log that is open for writing in this thread. */
export interface LogEnd {
  /** The log start offset: no record before it may be read. */
  readonly firstOffset: number
  /** The offset after the last durable record. */
  readonly nextOffset: number
  /** The index of the active segment up to there; null if its salt is another one. */
  indexOf(salt: number): readonly IndexEntry[] | null
}

export class SharedLog {
  readonly recent: RecentFrames = new RecentFrames()
  readonly indexes: SegmentIndexes = new SegmentIndexes((salt) => this.#writer?.indexOf(salt) ?? null)
  readonly times: SegmentTimes = new SegmentTimes()
  readonly files: SharedFiles = new SharedFiles()
  /** The offsets that the log was truncated to, in order. */
  readonly cuts: number[] = []
  /** The offset to which the log is being reset; null if it is not. */
  resetTo: number | null = null
  /** The number of writers opened so far. */
  openings = 0
  #writer: LogEnd | null = null
  /** Notifies when there may be more to read, as far as this thread can know. */
  readonly notifier: Notifier = new Notifier()
  /** The number of tailing readers, waiting or not. */
  #tailingReaders = 0
  /** The number of bytes for which commits are still kept if there is no tailing reader. */
  #expectedBytes = 0
  /** Whether a notification is scheduled. */
  #isNotifying = false
  /** By path: one path may be switched to a different directory while a second path still leads here. */
  readonly #watching = new Map<string, { count: number; readonly watch: Promise<Watch> }>()

  /**
   * The high watermark: the offset up to which readers may read. Infinity if no writer of this thread has the log open.
   * Everything below it is in the segments of a later listing. If it is Infinity, read it again after the size of a
   * file was read: a writer may have been opened in the meantime, and the file may hold its commits.
   */
  get highWatermark(): number {
    return this.#writer?.nextOffset ?? Infinity
  }

  /** The log start offset; null if no writer of this thread has the log open. */
  get firstOffset(): number | null {
    return this.#writer?.firstOffset ?? null
  }

  /** A writer has recovered the log, and reports everything that it does from now on. */
  opened(writer: LogEnd): void {
    this.#writer = writer
    this.openings++
    this.notifier.notify()
  }

  /** A commit is durable. Its frames are copied if readers can be expected to want them. Never throws. */
  committed(written: WrittenFrames): void {
    if (this.#tailingReaders > 0 || this.#expectedBytes > 0) this.recent.keep(written)
    else this.recent.clear()
    this.#expectedBytes -= Math.min(this.#expectedBytes, written.bytes)
    this.#notifySoon()
  }

  /** Segments were deleted, or may have been. What they held is not read from memory either. */
  deleted(): void {
    this.recent.clear()
  }

  /** The log is about to be truncated: nothing from this offset on may be read any more. */
  truncated(offset: number): void {
    this.cuts.push(offset)
    this.recent.clear()
    this.notifier.notify()
  }

  /**
   * A reset of the log begins: nothing of the old log may be read any more. Until `resetDone` the log is empty at that
   * offset, even if old segments are still there.
   */
  resetting(offset: number): void {
    this.resetTo = offset
    this.truncated(0)
  }

  resetDone(): void {
    this.resetTo = null
    this.notifier.notify()
  }

  /** A writer was closed. Ignored if another writer has opened the log since. */
  closed(writer: LogEnd): void {
    if (this.#writer !== writer) return
    this.#writer = null
    this.resetTo = null
    this.recent.clear()
    this.notifier.notify()
  }

  /** Adds a tailing reader. While there is one, the latest commits are kept in memory. */
  follow(): void {
    this.#tailingReaders++
  }

  unfollow(): void {
    if (--this.#tailingReaders === 0 && this.#expectedBytes === 0) this.recent.clear()
  }

  /**
   * Somebody reads, and may come back for what is appended next. So commits are kept in memory until there are as many
   * as memory holds: a later reader that begins among them needs no file. A log that is not read is not copied.
   */
  expectReads(): void {
    this.#expectedBytes = MAX_RECENT_BYTES
  }

  /**
   * After this resolves, changes made by other processes notify too, until the returned function is called. All readers
   * that use the same path share one watch.
   */
  async watch(fs: FileSystem, directory: string): Promise<() => void> {
    const known = this.#watching.get(directory)
    const watching = known ?? { count: 0, watch: fs.watch(directory, () => this.notifier.notify()) }
    this.#watching.set(directory, watching)
    watching.count++
    const stop = (): void => {
      if (--watching.count > 0) return
      this.#watching.delete(directory)
      watching.watch.then(
        (watch) => watch.close(),
        () => {},
      )
    }
    try {
      await watching.watch
    } catch (error) {
      stop()
      throw error
    }
    return stop
  }

  /**
   * Notifies after the next commit, if there is one, has begun to be written: tailing readers then work while the disk
   * does.
   */
  #notifySoon(): void {
    if (this.#isNotifying || this.#tailingReaders === 0) return
    this.#isNotifying = true
    setImmediate(() =>
      setImmediate(() => {
        this.#isNotifying = false
        this.notifier.notify()
      }),
    )
  }
}
