/**
 * The commits of a range of a log, as they are there or become durable: `log-cursor.ts` finds them in the files, those
 * just made come from memory, and in between it waits.
 */
import { DivergedError } from '../errors.ts'
import type { Alarm } from './alarm.ts'
import { LogCursor } from './log-cursor.ts'
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
}

/** The frames that hold the offsets of a range; the first may begin before it, the last end behind it. */
export async function* streamFrames(
  context: StreamContext,
  range: ReadRange,
): AsyncGenerator<LocatedFrame, void, undefined> {
  const stream = new FrameStream(context, range)
  try {
    for (let frames = await stream.next(); frames !== null; frames = await stream.next()) {
      for (const located of frames) {
        if (!stream.returns(located)) break
        yield located
      }
    }
  } finally {
    await stream.close()
  }
}

class FrameStream {
  readonly #context: StreamContext
  readonly #range: ReadRange
  /** What is durable when the stream begins; a stream that follows asks again and again. */
  #bound = Infinity
  #cursor: LogCursor | null = null
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

  /** Whether a frame that was found is still to be returned. Where not, `next` says why, or finds others. */
  returns({ frame }: LocatedFrame): boolean {
    if (this.#context.alarm.stopped || this.#isCut) return false
    this.#returned = nextOffsetAfter(frame.header)
    return true
  }

  /** Whether the log was truncated since this stream looked. */
  get #isCut(): boolean {
    return this.#context.shared.cuts.length > this.#cutsSeen
  }

  /** The next frames; null at the end. */
  async next(): Promise<readonly LocatedFrame[] | null> {
    const { alarm } = this.#context
    for (;;) {
      alarm.reset()
      const frames = alarm.stopped ? [] : await this.#look()
      alarm.throwIfStopped()
      if (frames.length > 0) return frames
      if (!this.#range.follow || this.#isComplete() || alarm.stopped) return null
      if (this.#isWatchedEnough()) await alarm.wait()
      else await this.#watch()
    }
  }

  async close(): Promise<void> {
    const { shared, alarm } = this.#context
    shared.unfollow(alarm)
    this.#stopWatching?.()
    await this.#cursor?.close()
  }

  async #look(): Promise<readonly LocatedFrame[]> {
    if (this.#isCut) await this.#beginAgain()
    try {
      this.#cursor ??= await this.#begin()
      const frames = this.#isComplete() ? [] : await this.#advance(this.#cursor)
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

  /** From memory, if the stream has kept up, else from the files. */
  async #advance(cursor: LogCursor): Promise<readonly LocatedFrame[]> {
    const { follow } = this.#range
    const recent = follow && cursor.nextOffset !== null ? this.#context.shared.recent.from(cursor.nextOffset) : []
    if (recent.length === 0) return cursor.next()
    await cursor.skip(recent)
    return recent
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
