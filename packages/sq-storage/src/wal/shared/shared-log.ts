/**
 * What the readers and the writer of one log share, in one thread and through one copy of the package: how far it is
 * durable, the commits just made, the files that are read, and a call for those who wait for more. The key is the
 * identity of the partition's directory, however its path was spelled.
 */
import { setImmediate } from 'node:timers'
import type { FileSystem, Watch } from '@sq/sim'
import { Notifier } from './waker.ts'
import { RecentFrames } from './recent-frames.ts'
import type { WrittenFrame } from './recent-frames.ts'
import { SegmentIndexes } from './segment-index.ts'
import { SharedFiles } from './shared-files.ts'
import { SegmentTimes } from './time-index.ts'

const logs = new Map<string, WeakRef<SharedLog>>()
const forgotten = new FinalizationRegistry<string>((identity) => {
  if (logs.get(identity)?.deref() === undefined) logs.delete(identity)
})

/** The one object of the log in this directory: the same for all who hold it at a time. */
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
  /** The offset after the last durable record. */
  readonly nextOffset: number
}

export class SharedLog {
  readonly recent: RecentFrames = new RecentFrames()
  readonly indexes: SegmentIndexes = new SegmentIndexes()
  readonly times: SegmentTimes = new SegmentTimes()
  readonly files: SharedFiles = new SharedFiles()
  /** The offsets that the log was truncated to, in order. */
  readonly cuts: number[] = []
  /** How many writers were opened. */
  openings = 0
  #writer: LogEnd | null = null
  /** Rings whenever there may be more to read, as far as this thread can tell. */
  readonly notifier: Notifier = new Notifier()
  /** How many follow, waiting or not. */
  #tailingReaders = 0
  /** Whether the notifier is about to be rung. */
  #isNotifying = false
  /** By the path that they came by: a path may be made to lead elsewhere while another still leads here. */
  readonly #watching = new Map<string, { count: number; readonly watch: Promise<Watch> }>()

  /**
   * The offset up to which a reader may read: what is durable, where a writer of this thread has the log open, else
   * Infinity. What is durable by then is in the segments that are listed later. Where the answer is Infinity, a writer
   * may be opened later: to be asked again after the size of a file was read, for that may hold its commits.
   */
  get highWatermark(): number {
    return this.#writer?.nextOffset ?? Infinity
  }

  /** A writer has recovered the log, and will tell of all that it does. */
  opened(writer: LogEnd): void {
    this.#writer = writer
    this.openings++
    this.notifier.notify()
  }

  /** A commit is durable. Its frame is copied where somebody waits for it. Never throws. */
  committed(written: WrittenFrame): void {
    if (this.#tailingReaders > 0) this.recent.keep(written)
    else this.recent.clear()
    this.#notifySoon()
  }

  /** Nothing from this offset on may be read any more, for it is about to be given up. */
  truncated(offset: number): void {
    this.cuts.push(offset)
    this.recent.clear()
    this.notifier.notify()
  }

  /** A writer is closed; unless another one has opened the log since. */
  closed(writer: LogEnd): void {
    if (this.#writer !== writer) return
    this.#writer = null
    this.recent.clear()
    this.notifier.notify()
  }

  /** From now on the commits just made are kept, for one more. */
  follow(): void {
    this.#tailingReaders++
  }

  unfollow(): void {
    if (--this.#tailingReaders === 0) this.recent.clear()
  }

  /**
   * From when this resolves, the notifier rings for what other processes do as well, until the function it resolves with is
   * called. One watch serves all who came by one path.
   */
  async watch(fs: FileSystem, directory: string): Promise<() => void> {
    const known = this.#watching.get(directory)
    const watching = known ?? { count: 0, watch: fs.watch(directory, () => this.notifier.notify()) }
    this.#watching.set(directory, watching)
    watching.count++
    const stop = (): void => {
      if (--watching.count > 0) return
      if (this.#watching.get(directory) === watching) this.#watching.delete(directory)
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
   * After the next commit has begun to be written, should there be one: those who follow then do their work while the
   * disk does its own.
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
