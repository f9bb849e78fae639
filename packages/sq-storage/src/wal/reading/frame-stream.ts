/**
 * The commits of a range of a log, existing and new: `log-cursor.ts` finds them in the files, the latest ones come from
 * memory, and between commits it waits.
 */
import { DivergedError, LogNotFoundError, OffsetOutOfRangeError, WalError } from '../../errors.ts'
import { nextOffsetAfter } from '../format/frame.ts'
import { partOf } from '../format/records-frame.ts'
import { notRecords } from '../segments/damage.ts'
import type { LocatedFrame } from '../segments/segment-file.ts'
import { MAX_OVERTAKEN } from '../segments/segment-listing.ts'
import type { Waker } from '../shared/waker.ts'
import type { SharedLog } from '../shared/shared-log.ts'
import { offsetBefore } from '../shared/time-index.ts'
import { DirectoryReplaced, LogAttachment } from './log-attachment.ts'
import { LogCursor } from './log-cursor.ts'
import type { CursorContext } from './log-cursor.ts'
import type { ReadRange } from './read-options.ts'

export interface StreamContext extends Pick<CursorContext, 'fs' | 'partition'> {
  /** Called with a log that the stream begins to read. */
  readonly attached: (shared: SharedLog) => void
  /** Stopped when the reading ends. */
  readonly waker: Waker
}

/** The frames that hold the offsets of a range. The first may begin before it, the last may end after it. */
export class FrameStream {
  readonly #context: StreamContext
  readonly #range: ReadRange
  /** The log being read; null before the first lookup. */
  #log: LogAttachment | null = null
  /** The high watermark when the stream began; a tailing stream reads it again and again. */
  #bound = Infinity
  #cursor: LogCursor | null = null
  /** Frames to return, and the index of the next one. */
  #found: readonly LocatedFrame[] = []
  #at = 0
  /** The offset after the last taken frame, and the offset after the last record that was handed out. */
  #taken: number | null = null
  #given: number | null = null

  constructor(context: StreamContext, range: ReadRange) {
    this.#context = context
    this.#range = range
  }

  /** Whether taken frames must not be handed out any more: call `more`. */
  get isInterrupted(): boolean {
    return this.#context.waker.stopped || this.#log?.isCut === true
  }

  /**
   * Whether there is nothing to do but wait for the waker; forgets earlier notifications. True only with a writer in
   * this thread.
   */
  startsWaiting(): boolean {
    if (!this.#range.follow || this.isInterrupted || this.#at < this.#found.length) return false
    this.#context.waker.reset()
    return this.#isAtBound && !this.#isComplete()
  }

  /** The records before this offset are about to be handed out. */
  give(nextOffset: number): void {
    this.#given = nextOffset
  }

  /** The next frame, if it is available; null means that `more` must be called. */
  take(): LocatedFrame | null {
    if (this.isInterrupted) return null
    if (this.#at === this.#found.length) {
      // A waiting stream holds no frames.
      this.#found = this.#fromMemory()
      this.#at = 0
    }
    const located = this.#found[this.#at]
    if (located === undefined) return null
    this.#at++
    return this.#next(located)
  }

  /** Resolves with true once frames are available, and with false at the end. */
  async more(): Promise<boolean> {
    const { waker, fs, partition } = this.#context
    for (;;) {
      waker.throwIfFailed()
      if (waker.stopped) return false
      const log = this.#log ?? (await this.#attach())
      waker.reset()
      if (!this.#isAtBound) {
        this.#at = 0
        this.#found = this.#fromMemory()
        if (this.#found.length === 0) this.#found = await this.#look(log)
        if (this.#found.length > 0) return true
        if (waker.stopped || log !== this.#log) continue
      }
      if (!this.#range.follow || this.#isComplete()) return false
      if (log.isTold) await waker.wait()
      else await log.watch(fs, partition)
    }
  }

  async close(): Promise<void> {
    this.#log?.detach()
    await this.#cursor?.close()
  }

  /**
   * Attaches to the log that is at the path now. The path is looked up for each iteration and not once per reader: it
   * may lead to a different log now, which has a writer in this thread.
   */
  async #attach(): Promise<LogAttachment> {
    const { fs, partition, waker, attached } = this.#context
    const log = await LogAttachment.to(fs, partition, { follows: this.#range.follow })
    this.#log = log
    attached(log.shared)
    waker.listenTo(log.shared.notifier)
    return log
  }

  #next(located: LocatedFrame): LocatedFrame {
    const { segment, frame } = located
    const [from, to] = [this.#taken ?? 0, nextOffsetAfter(frame.header)]
    const isRepeated = this.#taken !== null && frame.header.baseOffset < from
    this.#taken = to
    // Its beginning was taken during a truncation inside it, which was then aborted.
    if (!isRepeated) return located
    const rest = partOf(frame, { from, to })
    if (rest === null) throw notRecords(segment.path, frame.header)
    return { segment, frame: rest }
  }

  /** Whether there is certainly nothing more to read, because the writer of this thread says so. */
  get #isAtBound(): boolean {
    const [cursor, log] = [this.#cursor, this.#log]
    if (cursor === null || log === null || log.isCut || cursor.isReading || !cursor.isCompared) return false
    return cursor.nextOffset === log.shared.highWatermark
  }

  /** The latest commits from memory, for a stream that has kept up; none otherwise. */
  #fromMemory(): readonly LocatedFrame[] {
    const [cursor, log] = [this.#cursor, this.#log]
    if (!this.#range.follow || log === null || log.isCut || cursor === null || cursor.isReading) return []
    const { nextOffset } = cursor
    const recent = nextOffset === null || this.#isComplete() ? [] : log.shared.recent.from(nextOffset)
    // If they do not follow what was read, the files show why.
    if (recent[0] === undefined || !cursor.isFollowedBy(recent[0])) return []
    cursor.skip(recent)
    return recent
  }

  /** Returns none also if a different log was found, in which the stream continues. */
  async #look(log: LogAttachment): Promise<readonly LocatedFrame[]> {
    for (let attempts = 1; ; attempts++) {
      if (log.isCut) await this.#beginAgain(log)
      const { resetTo } = log.shared
      if (resetTo !== null) return this.#noneAt(resetTo)
      try {
        this.#cursor ??= await this.#begin(log)
        const frames = this.#isComplete() ? [] : await this.#cursor.next()
        if (!log.isCut) return frames
      } catch (error) {
        if (await this.#isReplaced(log, error)) {
          await this.#move(log)
          return []
        }
        // A truncation in progress causes many kinds of errors, and a segment found by time may have been deleted
        // since.
        const isMoved = error instanceof OffsetOutOfRangeError && this.#isByTime && attempts < MAX_OVERTAKEN
        if (!log.isCut && !isMoved) throw error
        await this.#dropCursor()
      }
    }
  }

  /** What an empty log at an offset holds: nothing. Throws if a different offset is wanted. */
  #noneAt(offset: number): readonly LocatedFrame[] {
    const { from, fromTimestampMs } = this.#range
    if (from === null || from === offset || fromTimestampMs !== null) return []
    const at = BigInt(offset)
    const { directory } = this.#context.partition
    throw new OffsetOutOfRangeError({ path: directory, offset: BigInt(from), firstOffset: at, nextOffset: at })
  }

  /** Whether an error was caused by a different directory at the path of the log. */
  async #isReplaced(log: LogAttachment, error: unknown): Promise<boolean> {
    const { fs, partition } = this.#context
    if (error instanceof DirectoryReplaced) return true
    if (!(error instanceof WalError)) return false
    try {
      await log.check(fs, partition)
    } catch (failure) {
      if (failure instanceof DirectoryReplaced) return true
      // If there is no log any more, that is the error to report.
      if (failure instanceof LogNotFoundError) throw failure
    }
    return false
  }

  /** Continues in the log that is at the path now. What was handed out is compared with it. */
  async #move(log: LogAttachment): Promise<void> {
    const cursor = this.#cursor
    log.detach()
    this.#log = null
    await this.#dropCursor()
    const moved = await this.#attach()
    this.#bound = Infinity
    if (this.#given === null) this.#taken = null
    else if (cursor !== null) this.#cursor = cursor.movedTo(this.#cursorContext(moved))
  }

  /** Whether the start is given by a time. */
  get #isByTime(): boolean {
    return this.#range.fromTimestampMs !== null && this.#taken === null
  }

  async #begin(log: LogAttachment): Promise<LogCursor> {
    const { fs, partition } = this.#context
    const { from, fromTimestampMs } = this.#range
    const context = this.#cursorContext(log)
    if (fromTimestampMs === null || this.#taken !== null) return new LogCursor(context, this.#taken ?? from)
    const { files, indexes, times } = log.shared
    const found = await offsetBefore({ fs, partition, files, indexes, times }, fromTimestampMs)
    return new LogCursor(context, Math.min(found, context.shared.highWatermark))
  }

  #cursorContext(log: LogAttachment): CursorContext {
    const { fs, partition } = this.#context
    const { follow, durableOnly } = this.#range
    const { shared } = log
    const highWatermark = (): number => {
      if (follow || this.#bound === Infinity) this.#bound = shared.highWatermark
      return this.#bound
    }
    const view = {
      files: shared.files,
      indexes: shared.indexes,
      get highWatermark() {
        return highWatermark()
      },
      get openings() {
        return shared.openings
      },
    }
    return { fs, partition, shared: view, durableOnly, checkDirectory: () => log.check(fs, partition) }
  }

  /** After a truncation: records that were found may be rolled back, but not records that were handed out. */
  async #beginAgain(log: LogAttachment): Promise<void> {
    await this.#dropCursor()
    const cut = log.takeCut()
    if (this.#given !== null && this.#given > cut) {
      throw new DivergedError({ path: this.#context.partition.directory, offset: BigInt(cut) })
    }
    // Continue with the first record that was not handed out.
    this.#taken = this.#given
    // If nothing is left of the log that it began in, it begins in the one that is there.
    this.#bound = cut === 0 ? Infinity : Math.min(this.#bound, cut)
  }

  async #dropCursor(): Promise<void> {
    await this.#cursor?.close()
    this.#cursor = null
  }

  #isComplete(): boolean {
    return (this.#cursor?.nextOffset ?? 0) >= this.#range.to
  }
}
