/**
 * The commits of a range of a log, existing and new: `log-cursor.ts` finds them in the files, the latest ones come from
 * memory, and between commits it waits.
 */
import { DivergedError, LogNotFoundError, OffsetOutOfRangeError, WalError } from '../../errors.ts'
import { nextOffsetAfter } from '../format/frame.ts'
import type { FrameHeader } from '../format/frame.ts'
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
  /** Stopped when the reading ends, or ended until `resume`. */
  readonly waker: Waker
}

/** The frames that hold the offsets of a range. The first may begin before it, the last may end after it. */
export class FrameStream {
  /** The number of bytes that the caller still wants: files are read in no larger pieces. */
  wantedBytes: number = Infinity
  /** How often it went on after a pause. */
  resumptions: number = 0
  readonly #context: StreamContext
  readonly #range: ReadRange
  #waker: Waker
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
  /** The number of writers opened in this thread when the stream was paused. */
  #openings = 0

  constructor(context: StreamContext, range: ReadRange) {
    this.#context = context
    this.#range = range
    this.#waker = context.waker
  }

  /** The offset after the last taken frame, or where the stream began. */
  get nextOffset(): number {
    return this.#taken ?? this.#range.from ?? 0
  }

  /** The high watermark of the writer; Infinity if there is none in this thread. */
  get highWatermark(): number {
    return this.#log?.shared.highWatermark ?? Infinity
  }

  /** The log start offset when the stream listed the log last; null if it has not. */
  get listedFrom(): number | null {
    return this.#cursor?.firstOffset ?? null
  }

  /** The offset at which the log is empty while it is being reset; null if it is not. */
  get resetTo(): number | null {
    return this.#log?.shared.resetTo ?? null
  }

  /** Whether taken frames must not be handed out any more: call `more` or `find`. */
  get isInterrupted(): boolean {
    return this.#waker.stopped || this.#log?.isCut === true
  }

  /**
   * Whether there is nothing to do but wait for the waker; forgets earlier notifications. True only with a writer in
   * this thread.
   */
  startsWaiting(): boolean {
    if (!this.#range.follow || this.isInterrupted || this.#at < this.#found.length) return false
    this.#waker.reset()
    // A waiting stream holds no frames.
    this.#found = []
    this.#at = 0
    return this.#isAtBound && !this.#isComplete()
  }

  /** The verified header of the next frame, if it is known and the frame is not; null otherwise. */
  get nextHeader(): FrameHeader | null {
    return this.#at === this.#found.length ? (this.#cursor?.nextHeader ?? null) : null
  }

  /** The records before this offset are about to be handed out. */
  give(nextOffset: number): void {
    this.#given = nextOffset
  }

  /** The next frame, if it is available; null means that `more` or `find` must be called. */
  take(): LocatedFrame | null {
    if (this.isInterrupted) return null
    if (this.#at === this.#found.length) {
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
    while (!(await this.find())) {
      this.#waker.throwIfFailed()
      if (this.#waker.stopped || !this.#range.follow || this.#isComplete()) return false
      await this.wait()
    }
    return true
  }

  /** Resolves with true if frames are available, and with false if there are none now. */
  async find(): Promise<boolean> {
    const waker = this.#waker
    for (;;) {
      waker.throwIfFailed()
      if (waker.stopped) return false
      const log = this.#log ?? (await this.#attach())
      waker.reset()
      if (this.#isAtBound) return false
      this.#at = 0
      this.#found = await this.#look(log)
      if (this.#found.length > 0) return true
      if (!waker.stopped && log === this.#log) return false
    }
  }

  /** Resolves when `find` may find something that it did not find before, or when the reading ends. */
  async wait(): Promise<void> {
    const { fs, partition } = this.#context
    if (this.#log === null || this.#log.isTold) await this.#waker.wait()
    else await this.#log.watch(fs, partition)
  }

  /**
   * Stops following the log until `resume`. What was taken from this offset on is found again then. Returns false if
   * that is not possible, or if what was read ahead may change unnoticed: the stream is of no more use.
   */
  pause(nextOffset: number): boolean {
    if (this.#log === null || this.isInterrupted) return false
    if (this.nextOffset > nextOffset) {
      const last = this.#found[this.#at - 1]
      if (last === undefined || last.frame.header.baseOffset > nextOffset) return false
      this.#at--
      this.#taken = last.frame.header.baseOffset
    }
    if (this.#hasReadAhead && this.highWatermark === Infinity) return false
    this.#openings = this.#log.shared.openings
    this.#log.pause()
    return true
  }

  /**
   * Goes on after `pause`. Returns false if what was read ahead may have changed since: the stream is of no more use.
   */
  resume(waker: Waker): boolean {
    if (this.#log === null) return false
    const { shared } = this.#log
    const isSameWriter = this.highWatermark !== Infinity && shared.openings === this.#openings
    if (this.#hasReadAhead && !isSameWriter) return false
    this.resumptions++
    this.#waker = waker
    this.#log.resume()
    waker.listenTo(shared.notifier)
    return true
  }

  /** Whether it holds more of the log than was taken. */
  get #hasReadAhead(): boolean {
    return this.#at < this.#found.length || this.#cursor?.isReading === true
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
    const { fs, partition, attached } = this.#context
    const log = await LogAttachment.to(fs, partition, { follows: this.#range.follow })
    this.#log = log
    attached(log.shared)
    this.#waker.listenTo(log.shared.notifier)
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

  /** The latest commits from memory, for a stream that has kept up or begins among them; none otherwise. */
  #fromMemory(): readonly LocatedFrame[] {
    const [cursor, log] = [this.#cursor, this.#log]
    if (log === null || log.isCut || cursor === null || cursor.isReading) return []
    const { nextOffset } = cursor
    if (nextOffset === null || this.#isComplete()) return []
    const recent = this.#upToBound(log.shared.recent.from(nextOffset), log.shared)
    // If they do not follow what was read, the files show why.
    if (recent[0] === undefined || !cursor.isFollowedBy(recent[0])) return []
    cursor.skip(recent)
    return recent
  }

  /** Without what was committed since the stream began, unless it follows the log. */
  #upToBound(recent: readonly LocatedFrame[], shared: SharedLog): readonly LocatedFrame[] {
    if (this.#range.follow) return recent
    const bound = this.#highWatermark(shared)
    const end = recent.findLastIndex(({ frame }) => nextOffsetAfter(frame.header) <= bound) + 1
    return end === recent.length ? recent : recent.slice(0, end)
  }

  /** Returns none also if a different log was found, in which the stream continues. */
  async #look(log: LogAttachment): Promise<readonly LocatedFrame[]> {
    for (let attempts = 1; ; attempts++) {
      if (log.isCut) await this.#beginAgain(log)
      const { resetTo } = log.shared
      if (resetTo !== null) return this.#noneAt(resetTo)
      try {
        this.#cursor ??= await this.#begin(log)
        const recent = this.#fromMemory()
        if (recent.length > 0) return recent
        const frames = this.#isComplete() ? [] : await this.#cursor.next()
        if (!log.isCut) return frames
      } catch (error) {
        if (await this.#isReplaced(log, error)) {
          await this.#move(log)
          return []
        }
        // A truncation in progress causes many kinds of errors, and records at an offset that was found here may have
        // been deleted since.
        const isMoved = error instanceof OffsetOutOfRangeError && this.#isStartFound && attempts < MAX_OVERTAKEN
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

  /** Whether the caller has not given the offset to start at. */
  get #isStartFound(): boolean {
    const { from, fromTimestampMs } = this.#range
    return (from === null || fromTimestampMs !== null) && this.#taken === null
  }

  async #begin(log: LogAttachment): Promise<LogCursor> {
    const { fs, partition } = this.#context
    const { from, fromTimestampMs } = this.#range
    const context = this.#cursorContext(log)
    if (fromTimestampMs === null || this.#taken !== null) {
      return new LogCursor(context, this.#taken ?? from ?? offsetIfEmpty(log.shared))
    }
    const { files, indexes, times, firstOffset } = log.shared
    const found = await offsetBefore({ fs, partition, files, indexes, times, firstOffset }, fromTimestampMs)
    return new LogCursor(context, Math.min(found, context.shared.highWatermark))
  }

  #cursorContext(log: LogAttachment): CursorContext {
    const { fs, partition } = this.#context
    const { durableOnly } = this.#range
    const { shared } = log
    const highWatermark = (): number => this.#highWatermark(shared)
    const view = {
      files: shared.files,
      indexes: shared.indexes,
      get firstOffset() {
        return shared.firstOffset
      },
      get highWatermark() {
        return highWatermark()
      },
      get openings() {
        return shared.openings
      },
    }
    return {
      fs,
      partition,
      shared: view,
      durableOnly,
      wantedBytes: () => this.wantedBytes,
      checkDirectory: () => log.check(fs, partition),
    }
  }

  /** How far the stream may read: not beyond the high watermark at its beginning, unless it follows the log. */
  #highWatermark(shared: SharedLog): number {
    if (this.#range.follow || this.#bound === Infinity) this.#bound = shared.highWatermark
    return this.#bound
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

/** The offset at which a log is empty, if its writer in this thread says so: nothing has to be read. Null otherwise. */
function offsetIfEmpty({ firstOffset, highWatermark }: SharedLog): number | null {
  return firstOffset === highWatermark ? firstOffset : null
}
