/**
 * The commits of a range of a log, as they are there or become durable: `log-cursor.ts` finds them in the files, those
 * just made come from memory, and in between it waits.
 */
import { DivergedError } from '../errors.ts'
import type { Alarm } from './alarm.ts'
import { LogCursor, partOf } from './log-cursor.ts'
import type { CursorContext } from './log-cursor.ts'
import { nextOffsetAfter } from './frame.ts'
import type { ReadRange } from './read-options.ts'
import type { LocatedFrame } from './recent-frames.ts'
import { io } from './segment-file.ts'
import type { SharedLog } from './shared-log.ts'
import { offsetBefore } from './timestamp-search.ts'

export interface StreamContext extends CursorContext {
  readonly shared: SharedLog
  /** Stopped where the reading is to end. */
  readonly alarm: Alarm
  /** Called when the stream is closed. */
  readonly release: () => void
}

/** The frames that hold the offsets of a range; the first may begin before it, the last end behind it. */
export class FrameStream {
  readonly #context: StreamContext
  readonly #range: ReadRange
  /** What is durable when the stream begins; a stream that follows asks again and again. */
  #bound = Infinity
  #cursor: LogCursor | null = null
  /** Frames that are still to be returned, from one of them on. */
  #found: readonly LocatedFrame[] = []
  #at = 0
  /** The offset after the last one that was returned. */
  #returned: number | null = null
  /** How many truncations this stream knows of. */
  #cutsSeen: number
  #stopWatching: (() => void) | null = null

  constructor(context: StreamContext, range: ReadRange) {
    this.#context = context
    this.#range = range
    this.#cutsSeen = context.shared.cuts.length
    if (range.follow) context.shared.follow(context.alarm)
  }

  /** Whether nothing more is wanted: `more` then says so, or rejects with the reason. */
  get isStopped(): boolean {
    return this.#context.alarm.stopped
  }

  /** The next frame, if it is at hand; else null: `more` is to be asked. */
  take(): LocatedFrame | null {
    const located = this.isStopped || this.#isCut ? undefined : this.#found[this.#at]
    if (located === undefined) return null
    this.#at++
    return this.#return(located)
  }

  /** Resolves once there are frames at hand, with true; with false at the end. */
  async more(): Promise<boolean> {
    const { alarm } = this.#context
    for (;;) {
      alarm.throwIfStopped()
      if (alarm.stopped) return false
      alarm.reset()
      if (!this.#isAtBound) {
        this.#at = 0
        this.#found = this.#fromMemory()
        if (this.#found.length === 0) this.#found = await this.#look()
        if (this.#found.length > 0) return true
        if (alarm.stopped) continue
      }
      if (!this.#range.follow || this.#isComplete()) return false
      if (this.#isWatchedEnough()) await alarm.wait()
      else await this.#watch()
    }
  }

  async close(): Promise<void> {
    const { shared, alarm, release } = this.#context
    release()
    shared.unfollow(alarm)
    this.#stopWatching?.()
    await this.#cursor?.close()
  }

  #return(located: LocatedFrame): LocatedFrame {
    const { segment, frame } = located
    const [from, to] = [this.#returned ?? 0, nextOffsetAfter(frame.header)]
    const isRepeated = this.#returned !== null && frame.header.baseOffset < from
    this.#returned = to
    // Its beginning was returned while a truncation inside it was under way, which was given up.
    return isRepeated ? { segment, frame: partOf(frame, { from, to }) } : located
  }

  /** Whether the log was truncated since this stream looked. */
  get #isCut(): boolean {
    return this.#context.shared.cuts.length > this.#cutsSeen
  }

  /** Whether it is known without looking that there is nothing more by now: the writer of this thread says so. */
  get #isAtBound(): boolean {
    const cursor = this.#cursor
    return !this.#isCut && cursor?.isReading === false && cursor.nextOffset === this.#context.shared.durableBound
  }

  /** The commits just made, for a stream that has kept up: without them, nothing. */
  #fromMemory(): readonly LocatedFrame[] {
    const cursor = this.#cursor
    if (!this.#range.follow || this.#isCut || cursor === null || cursor.isReading) return []
    const { nextOffset } = cursor
    const recent = nextOffset === null || this.#isComplete() ? [] : this.#context.shared.recent.from(nextOffset)
    if (recent.length > 0) cursor.skip(recent)
    return recent
  }

  async #look(): Promise<readonly LocatedFrame[]> {
    if (this.#isCut) await this.#beginAgain()
    try {
      this.#cursor ??= await this.#begin()
      const frames = this.#isComplete() ? [] : await this.#cursor.next()
      return this.#isCut ? await this.#look() : frames
    } catch (error) {
      // A truncation under way looks like much else.
      if (!this.#isCut) throw error
      return this.#look()
    }
  }

  async #begin(): Promise<LogCursor> {
    const { fs, partition, shared } = this.#context
    const { from, fromTimestampMs, follow } = this.#range
    const durableBound = (): number => {
      if (follow || this.#bound === Infinity) this.#bound = shared.durableBound
      return this.#bound
    }
    const view = {
      indexes: shared.indexes,
      get durableBound() {
        return durableBound()
      },
    }
    const context = { fs, partition, shared: view }
    const start = fromTimestampMs === null ? from : await offsetBefore(context, fromTimestampMs)
    return new LogCursor(context, this.#returned ?? start)
  }

  /** After a truncation: what was found may be void. What was returned must not be. */
  async #beginAgain(): Promise<void> {
    const { shared, partition } = this.#context
    const cut = Math.min(...shared.cuts.slice(this.#cutsSeen))
    this.#cutsSeen = shared.cuts.length
    if (this.#returned !== null && this.#returned > cut) {
      throw new DivergedError({ path: partition.directory, offset: BigInt(cut) })
    }
    this.#bound = Math.min(this.#bound, cut)
    await this.#cursor?.close()
    this.#cursor = null
  }

  #isComplete(): boolean {
    return (this.#cursor?.nextOffset ?? 0) >= this.#range.to
  }

  /** A writer of this thread tells of all it does; else the directory must be watched. */
  #isWatchedEnough(): boolean {
    const isWriterHere = this.#context.shared.durableBound !== Infinity
    if (isWriterHere) {
      this.#stopWatching?.()
      this.#stopWatching = null
    }
    return isWriterHere || this.#stopWatching !== null
  }

  async #watch(): Promise<void> {
    const { fs, partition, shared } = this.#context
    const { directory } = partition
    this.#stopWatching = await io('watch', directory, () => shared.watch(fs, directory))
  }
}
