/**
 * The commits of a range of a log, as they are there or become durable: `log-cursor.ts` finds them in the files, those
 * just made come from memory, and in between it waits.
 */
import { DivergedError, OffsetOutOfRangeError } from '../errors.ts'
import type { Alarm } from './alarm.ts'
import { LogCursor } from './log-cursor.ts'
import type { CursorContext } from './log-cursor.ts'
import { nextOffsetAfter } from './frame.ts'
import { partOf } from './partial-frame.ts'
import type { ReadRange } from './read-options.ts'
import type { LocatedFrame } from './recent-frames.ts'
import { io } from './segment-file.ts'
import { MAX_OVERTAKEN } from './segment-listing.ts'
import type { SharedLog } from './shared-log.ts'
import { offsetBefore } from './timestamp-search.ts'

export interface StreamContext extends Omit<CursorContext, 'durableOnly'> {
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
  /** The offset after the last one of the frames that were taken; and after those of their records that were handed out. */
  #taken: number | null = null
  #given: number | null = null
  /** How many truncations this stream knows of. */
  #cutsSeen: number
  #stopWatching: (() => void) | null = null

  constructor(context: StreamContext, range: ReadRange) {
    this.#context = context
    this.#range = range
    this.#cutsSeen = context.shared.cuts.length
    if (range.follow) context.shared.follow(context.alarm)
  }

  /** Whether what was taken is to be handed out no further: `more` is to be asked. */
  get isInterrupted(): boolean {
    return this.#context.alarm.stopped || this.#isCut
  }

  /**
   * Whether nothing is at hand, nor anything to be done but to wait until the alarm rings; forgets what it rang so far.
   * Only beside a writer of this thread.
   */
  startsWaiting(): boolean {
    if (!this.#range.follow || this.isInterrupted || this.#at < this.#found.length) return false
    this.#context.alarm.reset()
    return this.#isAtBound && !this.#isComplete()
  }

  /** The records before this offset are about to be handed out. */
  give(nextOffset: number): void {
    this.#given = nextOffset
  }

  /** The next frame, if it is at hand; else null: `more` is to be asked. */
  take(): LocatedFrame | null {
    if (this.isInterrupted) return null
    if (this.#at === this.#found.length) {
      // Who waits holds nothing.
      this.#found = this.#fromMemory()
      this.#at = 0
    }
    const located = this.#found[this.#at]
    if (located === undefined) return null
    this.#at++
    return this.#next(located)
  }

  /** Resolves once there are frames at hand, with true; with false at the end. */
  async more(): Promise<boolean> {
    const { alarm } = this.#context
    for (;;) {
      alarm.throwIfFailed()
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

  #next(located: LocatedFrame): LocatedFrame {
    const { segment, frame } = located
    const [from, to] = [this.#taken ?? 0, nextOffsetAfter(frame.header)]
    const isRepeated = this.#taken !== null && frame.header.baseOffset < from
    this.#taken = to
    // Its beginning was taken while a truncation inside it was under way, which was given up.
    return isRepeated ? { segment, frame: partOf(frame, { from, to }) } : located
  }

  /** Whether the log was truncated since this stream looked. */
  get #isCut(): boolean {
    return this.#context.shared.cuts.length > this.#cutsSeen
  }

  /** Whether it is known without looking that there is nothing more by now: the writer of this thread says so. */
  get #isAtBound(): boolean {
    const cursor = this.#cursor
    if (this.#isCut || cursor === null || cursor.isReading || !cursor.isCompared) return false
    return cursor.nextOffset === this.#context.shared.durableBound
  }

  /** The commits just made, for a stream that has kept up: without them, nothing. */
  #fromMemory(): readonly LocatedFrame[] {
    const cursor = this.#cursor
    if (!this.#range.follow || this.#isCut || cursor === null || cursor.isReading) return []
    const { nextOffset } = cursor
    const recent = nextOffset === null || this.#isComplete() ? [] : this.#context.shared.recent.from(nextOffset)
    // Where they are not what follows, the files say what has happened.
    if (recent[0] === undefined || !cursor.isFollowedBy(recent[0])) return []
    cursor.skip(recent)
    return recent
  }

  async #look(): Promise<readonly LocatedFrame[]> {
    for (let attempts = 1; ; attempts++) {
      if (this.#isCut) await this.#beginAgain()
      try {
        this.#cursor ??= await this.#begin()
        const frames = this.#isComplete() ? [] : await this.#cursor.next()
        if (!this.#isCut) return frames
      } catch (error) {
        // A truncation under way looks like much else; and what a time was found in may have been deleted since.
        const isMoved = error instanceof OffsetOutOfRangeError && this.#isByTime && attempts < MAX_OVERTAKEN
        if (!this.#isCut && !isMoved) throw error
        await this.#dropCursor()
      }
    }
  }

  /** Whether a time says where to begin. */
  get #isByTime(): boolean {
    return this.#range.fromTimestampMs !== null && this.#taken === null
  }

  async #begin(): Promise<LogCursor> {
    const { fs, partition, shared } = this.#context
    const { from, fromTimestampMs, follow, durableOnly } = this.#range
    const durableBound = (): number => {
      if (follow || this.#bound === Infinity) this.#bound = shared.durableBound
      return this.#bound
    }
    const view = {
      files: shared.files,
      indexes: shared.indexes,
      get durableBound() {
        return durableBound()
      },
      get openings() {
        return shared.openings
      },
    }
    const context = { fs, partition, shared: view, durableOnly }
    if (fromTimestampMs === null || this.#taken !== null) return new LogCursor(context, this.#taken ?? from)
    const found = await offsetBefore(context, fromTimestampMs)
    return new LogCursor(context, Math.min(found, durableBound()))
  }

  /** After a truncation: what was found may be void. What was handed out must not be. */
  async #beginAgain(): Promise<void> {
    await this.#dropCursor()
    const { shared, partition } = this.#context
    let cut = Infinity
    for (; this.#cutsSeen < shared.cuts.length; this.#cutsSeen++) cut = Math.min(cut, shared.cuts[this.#cutsSeen] ?? cut)
    if (this.#given !== null && this.#given > cut) {
      throw new DivergedError({ path: partition.directory, offset: BigInt(cut) })
    }
    // Goes on with the first record that was not handed out.
    this.#taken = this.#given
    this.#bound = Math.min(this.#bound, cut)
  }

  async #dropCursor(): Promise<void> {
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
