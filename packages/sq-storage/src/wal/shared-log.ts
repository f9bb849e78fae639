/**
 * What the readers and the writer of one log share, in one thread and through one copy of the package: how far it is
 * durable, the commits just made, the files that are read, and a call for those who wait for more. The key is the
 * identity of the partition's directory, however its path was spelled.
 */
import { setImmediate } from 'node:timers'
import type { FileSystem, Watch } from '@sq/sim'
import type { Alarm } from './alarm.ts'
import { RecentFrames } from './recent-frames.ts'
import type { WrittenFrame } from './recent-frames.ts'
import { SegmentIndexes } from './segment-index.ts'
import { SharedFiles } from './shared-files.ts'

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

export class SharedLog {
  readonly recent: RecentFrames = new RecentFrames()
  readonly indexes: SegmentIndexes = new SegmentIndexes()
  readonly files: SharedFiles = new SharedFiles()
  /** The offsets that the log was truncated to, in order. */
  readonly cuts: number[] = []
  /** How many writers were opened. */
  openings = 0
  #writer: object | null = null
  #nextOffset = 0
  readonly #followers = new Set<Alarm>()
  /** Whether they are about to be called. */
  #isCalling = false
  #watching: { count: number; readonly watch: Promise<Watch> } | null = null

  /**
   * The offset up to which a reader may read: what is durable, where a writer of this thread has the log open, else
   * Infinity. What is durable by then is in the segments that are listed later. Where the answer is Infinity, a writer
   * may be opened later: to be asked again after the size of a file was read, for that may hold its commits.
   */
  get durableBound(): number {
    return this.#writer === null ? Infinity : this.#nextOffset
  }

  /** A writer has recovered the log, and will tell of all that it does. */
  opened(writer: object, nextOffset: number): void {
    this.#writer = writer
    this.#nextOffset = nextOffset
    this.openings++
    this.#call()
  }

  /** A commit is durable. Its frame is copied where somebody waits for it. Never throws. */
  committed(nextOffset: number, written: WrittenFrame): void {
    this.#nextOffset = nextOffset
    if (this.#followers.size > 0) this.recent.keep(written)
    else this.recent.clear()
    this.#callSoon()
  }

  /** Nothing from this offset on may be read any more, for it is about to be given up. */
  truncated(offset: number): void {
    this.#nextOffset = Math.min(this.#nextOffset, offset)
    this.cuts.push(offset)
    this.recent.clear()
    this.#call()
  }

  /** A writer is closed; unless another one has opened the log since. */
  closed(writer: object): void {
    if (this.#writer !== writer) return
    this.#writer = null
    this.recent.clear()
    this.#call()
  }

  /** From now on the alarm goes off whenever there may be more to read, as far as this thread can tell. */
  follow(alarm: Alarm): void {
    this.#followers.add(alarm)
  }

  unfollow(alarm: Alarm): void {
    this.#followers.delete(alarm)
    if (this.#followers.size === 0) this.recent.clear()
  }

  /**
   * From when this resolves, the alarms go off for what other processes do as well, until the function it resolves with
   * is called. One watch serves all who follow.
   */
  async watch(fs: FileSystem, directory: string): Promise<() => void> {
    this.#watching ??= { count: 0, watch: fs.watch(directory, () => this.#call()) }
    const watching = this.#watching
    watching.count++
    const stop = (): void => {
      if (--watching.count > 0) return
      if (this.#watching === watching) this.#watching = null
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
  #callSoon(): void {
    if (this.#isCalling || this.#followers.size === 0) return
    this.#isCalling = true
    setImmediate(() =>
      setImmediate(() => {
        this.#isCalling = false
        this.#call()
      }),
    )
  }

  #call(): void {
    for (const alarm of this.#followers) alarm.ring()
  }
}
