/**
 * Walks the RECORDS frames of a whole log across its segments, while a writer may be at work. The reader uses it;
 * `scan.ts` walks a single segment.
 */
import type { FileSystem } from '@sq/sim'
import { CorruptLogError, DivergedError, OffsetOutOfRangeError } from '../../errors.ts'
import type { WalError } from '../../errors.ts'
import { Attribute, nextOffsetAfter } from '../format/frame.ts'
import type { Frame, FrameHeader, FramePlace } from '../format/frame.ts'
import { partOf } from '../format/records-frame.ts'
import { damageAt, damageFrom, missingSegments, notRecords } from '../segments/damage.ts'
import type { Scanned } from '../segments/damage.ts'
import { LaterFrames } from '../segments/later-frames.ts'
import { listLog } from '../segments/log-start.ts'
import type { Partition } from '../segments/partition.ts'
import { SegmentScanner } from '../segments/scan.ts'
import { frameHeaderAt, placeAfterHead } from '../segments/segment-file.ts'
import type { LocatedFrame, SegmentHead } from '../segments/segment-file.ts'
import { segmentHolding, whileListed } from '../segments/segment-listing.ts'
import type { ListedSegment } from '../segments/segment-listing.ts'
import { ConfirmedFrames } from '../segments/unconfirmed.ts'
import type { Indexed } from '../shared/segment-index.ts'
import type { HeldSegment } from '../shared/shared-files.ts'
import type { SharedLog } from '../shared/shared-log.ts'
import { ReadPlace } from './read-place.ts'
import type { LogAsListed } from './read-place.ts'

/** A log, and the state that is shared with others in this thread. */
export interface CursorContext {
  readonly fs: FileSystem
  readonly partition: Partition
  readonly shared: Pick<SharedLog, 'firstOffset' | 'highWatermark' | 'files' | 'indexes' | 'openings'>
  /** Whether to leave out commits that may not be durable, as far as is known here. */
  readonly durableOnly: boolean
  /** The number of bytes that the caller still wants, to read no more than that from a file. */
  readonly wantedBytes: () => number
  /** Rejects if the path leads to a different directory than that of `shared`, or to none. */
  readonly checkDirectory: () => Promise<void>
}

/** A segment that is being read. */
interface Reading extends Scanned {
  readonly opened: HeldSegment
  readonly scanner: SegmentScanner
  /**
   * Holds back commits that are not known to be durable; null if every commit is durable, or if the caller accepts all.
   */
  readonly confirmed: ConfirmedFrames | null
}

export class LogCursor {
  readonly #context: CursorContext
  #place: ReadPlace
  /** The listed segments, unless the one being read is the last of them. */
  #listed: readonly ListedSegment[] = []
  #firstOffset = 0
  #reading: Reading | null = null
  /**
   * Something that looked like damage once: the bytes may have been written after they were read, but before the
   * confirming frame was read.
   */
  #suspect: CorruptLogError | null = null
  /** Finds out whether more was durable at the end of the log. */
  readonly #later = new LaterFrames()
  /** The number of writers opened in this thread when the place was last compared with the files. */
  #comparedAfter: number

  readonly #headOf = (segment: ListedSegment): Promise<SegmentHead> => {
    const { fs, partition, shared } = this.#context
    return shared.files.head(fs, segment, partition)
  }

  readonly #frameAt = async (segment: ListedSegment, position: number): Promise<FrameHeader | null> => {
    const { fs, partition, shared } = this.#context
    const held = await shared.files.hold(fs, segment, partition)
    try {
      return await frameHeaderAt(held, position)
    } finally {
      await held.release()
    }
  }

  constructor(context: CursorContext, from: number | null) {
    this.#context = context
    this.#place = new ReadPlace(from)
    this.#comparedAfter = context.shared.openings
  }

  /**
   * The same iteration in the directory that replaced the old one: what was returned is compared with what is there.
   */
  movedTo(context: CursorContext): LogCursor {
    const moved = new LogCursor(context, null)
    moved.#place = this.#place
    moved.#comparedAfter = -1
    return moved
  }

  /** The next offset; null if the log is read from its start and nothing is known about it yet. */
  get nextOffset(): number | null {
    return this.#place.nextOffset
  }

  /**
   * The next verified frames that hold wanted offsets, in order; none at the current end. Call it again later for more.
   * Throws as `WalReader.read` does. A file may be open between two calls, but not after a call that returned nothing.
   */
  async next(): Promise<readonly LocatedFrame[]> {
    // A file opened by an earlier call is read up to the size that it had then. There may be more now.
    let isFromBefore = this.#reading !== null
    for (;;) {
      const { shared } = this.#context
      // Read before the directory is listed: everything durable at that point is in the listed segments.
      const bound = shared.highWatermark
      const { nextOffset } = this
      if (nextOffset !== null && nextOffset > bound) {
        await this.close()
        throw await this.#beyond(bound)
      }
      if (nextOffset === bound && this.isCompared) {
        await this.close()
        return []
      }
      this.#reading ??= await this.#enter(bound)
      if (this.#reading === null) return []
      const reading = this.#reading
      const frames = await this.#read(reading)
      if (frames.length > 0) return frames
      if (this.#reading === null && !isFromBefore && (await this.#isOver(reading))) return []
      isFromBefore = false
    }
  }

  /**
   * Whether the returned records are known to be in the log: a writer that was opened since they were read may have
   * found a different log.
   */
  get isCompared(): boolean {
    return !this.#place.hasReturned || this.#comparedAfter === this.#context.shared.openings
  }

  /** The log start offset when the log was listed last; 0 before that. */
  get firstOffset(): number {
    return this.#firstOffset
  }

  /** Whether a file is open. */
  get isReading(): boolean {
    return this.#reading !== null
  }

  /** The verified header of the next frame, if it is known; null otherwise. */
  get nextHeader(): FrameHeader | null {
    return this.#reading?.scanner.nextHeader ?? null
  }

  /** Whether a frame directly follows the last one that was read, in the same segment, or nothing was read. */
  isFollowedBy(located: LocatedFrame): boolean {
    return this.#place.isFollowedBy(located)
  }

  /**
   * Moves past frames that came from memory, the first of which `isFollowedBy` accepts. Must not be called while a
   * file is open.
   */
  skip(located: readonly LocatedFrame[]): void {
    this.#listed = []
    let last: LocatedFrame | undefined
    for (const next of located) {
      // The checksum of the last frame of a segment covers those before it.
      if (last !== undefined && last.segment.salt !== next.segment.salt)
        this.#place.advance(last.segment, last.frame.header)
      last = next
    }
    if (last !== undefined) this.#place.advance(last.segment, last.frame.header)
  }

  /** Closes the open file. */
  async close(): Promise<void> {
    const reading = this.#reading
    if (reading === null) return
    this.#reading = null
    // The last segment may have a successor now.
    if (reading.segment.successor === null) this.#listed = []
    await reading.opened.release()
  }

  /** Opens the segment that holds the next offset; null if the log has no segment. */
  #enter(bound: number): Promise<Reading | null> {
    return whileListed(
      async (isAgain) => {
        if (isAgain) this.#listed = []
        // The last segment of the old listing may have a successor now, which states where it ends.
        if (this.#listedNext()?.successor === null) this.#listed = []
        const isListedNow = this.#listed.length === 0
        return { segment: await this.#segmentAt(bound), isListedNow }
      },
      async ({ segment, isListedNow }) => {
        if (segment !== null) return this.#open(segment, { bound, isListedNow })
        await this.#context.checkDirectory()
        return null
      },
      // A segment that was deleted or replaced since it was listed may also look like damage.
      isAboutSegments,
    )
  }

  /** Lists the log. */
  async #list(): Promise<readonly ListedSegment[]> {
    const { fs, partition, shared } = this.#context
    const { segments, firstOffset } = await listLog(fs, partition, shared.firstOffset)
    this.#firstOffset = firstOffset
    return segments
  }

  /** The listed segment that holds what is read next. */
  #listedNext(): ListedSegment | undefined {
    const wanted = this.#place.nextToRead ?? this.#firstOffset
    return wanted < this.#firstOffset ? undefined : segmentHolding(this.#listed, wanted)
  }

  async #segmentAt(bound: number): Promise<ListedSegment | null> {
    const { partition } = this.#context
    if (this.#listed.length === 0) this.#listed = await this.#list()
    const firstOffset = this.#firstOffset
    const wanted = this.#place.nextToRead ?? firstOffset
    const segment = this.#listedNext()
    if (segment !== undefined) return segment
    if (wanted < firstOffset && (this.nextOffset ?? 0) >= firstOffset) {
      // The returned part of the commit that was cut has been deleted: nothing is left to compare with.
      this.#place.forget()
      return this.#segmentAt(bound)
    }
    const isEmpty = this.#listed.length === 0
    if (isEmpty && bound === Infinity && this.#place.hasReturned) throw await this.#divergence()
    if (isEmpty && wanted < bound && bound !== Infinity) throw missingSegments(partition, { wanted, bound })
    if (isEmpty && wanted === firstOffset) return null
    throw this.#outOfRange(bound === Infinity ? Math.max(this.#listed.at(-1)?.baseOffset ?? 0, firstOffset) : bound)
  }

  async #open(
    segment: ListedSegment,
    { bound, isListedNow }: { bound: number; isListedNow: boolean },
  ): Promise<Reading> {
    const { fs, partition, shared, durableOnly, wantedBytes } = this.#context
    const { successor } = segment
    const { openings } = shared
    const opened = await shared.files.hold(fs, segment, partition)
    try {
      const { limit, last } = await shared.indexes.endOf(opened, { successor, headOf: this.#headOf, isListedNow })
      // A writer may have been opened in the meantime, and not all of its commits up to the limit need be durable.
      const boundNow = bound === Infinity ? shared.highWatermark : bound
      const start = await this.#startIn({ segment: opened, last, limit }, segment, boundNow)
      // Checked last, so that nothing found here belongs to another log.
      await this.#context.checkDirectory()
      this.#place.enter(opened.head, start, this.#firstOffset)
      this.#comparedAfter = openings
      const scanner = new SegmentScanner(opened.handle, { ...start, limit }, wantedBytes)
      // If a successor or the writer states how far the segment is durable, nothing is held back.
      const isConfirmed = successor !== null || boundNow !== Infinity
      const confirmed = durableOnly && !isConfirmed ? new ConfirmedFrames() : null
      return { segment, opened, scanner, limit, bound: boundNow, confirmed }
    } catch (error) {
      await opened.release()
      throw error
    }
  }

  /** The current listing, to compare what was read with. */
  #asListed(listed: readonly ListedSegment[]): LogAsListed {
    return { listed, headOf: this.#headOf, frameAt: this.#frameAt }
  }

  /** Where to begin in a segment: where reading stopped or, if it was not read before, close before the next offset. */
  async #startIn(indexed: Indexed, segment: ListedSegment, bound: number): Promise<FramePlace> {
    const { head } = indexed.segment
    const { limit } = indexed
    const log = this.#asListed(this.#listed)
    const reached = await this.#place.placeIn({ head, segment, limit }, log)
    if (reached === 'diverged') throw await this.#whyGone(indexed, segment, bound)
    if (reached !== null) return reached
    const next = this.nextOffset ?? Math.max(head.baseOffset, this.#firstOffset)
    return next === head.baseOffset ? placeAfterHead(head) : this.#context.shared.indexes.start(indexed, next)
  }

  /**
   * The error for a segment that differs from what was read: divergence, or damage if the segment must hold more than
   * its whole frames.
   */
  async #whyGone({ segment: opened, limit }: Indexed, segment: ListedSegment, bound: number): Promise<WalError> {
    const log = this.#asListed(this.#listed)
    const agreed = await this.#place.agreedPlaceIn(segment, limit, log)
    const start = agreed?.salt === opened.head.frame.headerCrc ? agreed : placeAfterHead(opened.head)
    const damage = await damageFrom(start, { segment, opened, limit, bound })
    return damage ?? this.#divergence(agreed)
  }

  async #read(reading: Reading): Promise<readonly LocatedFrame[]> {
    const { scanner, confirmed } = reading
    while (scanner.stop === null) {
      const frames = await scanner.next()
      const found = await this.#pass(reading, confirmed?.take(frames) ?? frames)
      if (found.length > 0 || this.#reading === null) return found
    }
    return this.#leave(reading)
  }

  /** Moves past frames, up to the high watermark, and returns those that are wanted. */
  async #pass({ opened, bound }: Reading, frames: readonly Frame[]): Promise<readonly LocatedFrame[]> {
    const { path, baseOffset, frame: openFrame } = opened.head
    const segment = { path, baseOffset, salt: openFrame.headerCrc }
    const found: LocatedFrame[] = []
    for (const frame of frames) {
      const { header } = frame
      const isWanted = this.#place.wants(header)
      if (header.baseOffset >= bound || nextOffsetAfter(header) > bound) {
        // The high watermark lies inside a commit only during a truncation there.
        if (isWanted && header.baseOffset < bound) {
          found.push({ segment, frame: this.#part(frame, { path, to: bound }) })
          this.#place.advanceInside(bound)
        }
        await this.close()
        break
      }
      this.#place.advance(segment, header)
      if (isWanted) found.push({ segment, frame: this.#part(frame, { path, to: nextOffsetAfter(header) }) })
    }
    return found
  }

  /** A frame without the records that are deleted, and up to an offset. An opaque batch that begins before is whole. */
  #part(frame: Frame, { path, to }: { path: string; to: number }): Frame {
    const { header } = frame
    const isOpaque = (header.attributes & Attribute.OPAQUE) !== 0
    const from = isOpaque ? header.baseOffset : Math.max(header.baseOffset, this.#firstOffset)
    if (from === header.baseOffset && to === nextOffsetAfter(header)) return frame
    const part = partOf(frame, { from, to })
    if (part === null) throw notRecords(path, header)
    return part
  }

  /**
   * At the end of a segment, or of its readable part: checks whether it reaches as far as it must. Returns frames that
   * this confirms.
   */
  async #leave(reading: Reading): Promise<readonly LocatedFrame[]> {
    const { scanner } = reading
    let found: readonly LocatedFrame[] = []
    const { nextOffset } = scanner.place
    try {
      const damage = await damageAt(reading, (segment, here) => this.#later.damageAt(segment, here))
      const error = damage?.error ?? null
      const isSeenAgain = error !== null && this.#suspect?.from === error.from && this.#suspect.path === error.path
      // What confirms that there was more confirms everything before it. At the first suspicion it may instead be of
      // other commits, which have replaced those that are held back: they are read again.
      if (damage?.isConfirmed === true && (error === null || isSeenAgain)) {
        found = await this.#pass(reading, reading.confirmed?.takeAll() ?? [])
      }
      if (isSeenAgain && found.length === 0) throw error
      this.#suspect = error
    } finally {
      await this.close()
    }
    // If even later records are deleted than there are, the log is empty there.
    const end = Math.max(nextOffset, this.#firstOffset)
    if (this.#suspect === null && (this.nextOffset ?? 0) > end) throw this.#outOfRange(end)
    // Suspected damage is checked once more.
    if (this.#suspect !== null) this.#listed = []
    return found
  }

  /**
   * Whether a segment that was read to its end is still the last one: the writer may have continued in a new segment.
   */
  async #isOver({ segment, bound }: Reading): Promise<boolean> {
    if (segment.successor !== null || bound !== Infinity || this.#suspect !== null) return false
    const listed = await this.#list()
    const isLast = listed.at(-1)?.baseOffset === segment.baseOffset
    this.#listed = isLast ? [] : listed
    return isLast
  }

  /** The error for a wanted offset above the high watermark. */
  async #beyond(bound: number): Promise<OffsetOutOfRangeError | DivergedError> {
    if (this.#place.hasReturned) return this.#divergence()
    this.#listed = await this.#list()
    return this.#outOfRange(bound)
  }

  #outOfRange(nextOffset: number): OffsetOutOfRangeError {
    return new OffsetOutOfRangeError({
      path: this.#context.partition.directory,
      offset: BigInt(this.nextOffset ?? 0),
      firstOffset: BigInt(this.#firstOffset),
      nextOffset: BigInt(nextOffset),
    })
  }

  /** Finds the offset from which the log differs from what was read; `agreed` as in `ReadPlace.divergedFrom`. */
  async #divergence(agreed: FramePlace | null = null): Promise<DivergedError> {
    const { partition } = this.#context
    const listed = await this.#list()
    const offset = await this.#place.divergedFrom(this.#asListed(listed), agreed)
    return new DivergedError({ path: partition.directory, offset: BigInt(offset) })
  }
}

/** Whether an error says that segments are damaged or do not belong together. */
function isAboutSegments(error: unknown): boolean {
  return error instanceof CorruptLogError || error instanceof DivergedError
}
