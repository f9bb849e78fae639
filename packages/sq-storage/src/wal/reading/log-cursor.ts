/**
 * Walks the RECORDS frames of a whole log, across its segments, beside a writer that may be at work. The reader stands
 * on it; `scan.ts` walks a single segment.
 */
import type { FileSystem } from '@sq/sim'
import { CorruptLogError, DivergedError, OffsetOutOfRangeError } from '../../errors.ts'
import type { WalError } from '../../errors.ts'
import { nextOffsetAfter } from '../format/frame.ts'
import type { Frame, FrameHeader, FramePlace } from '../format/frame.ts'
import { partOf } from '../format/records-frame.ts'
import { damageAt, damageFrom, missingSegments } from '../segments/damage.ts'
import type { Scanned } from '../segments/damage.ts'
import type { Partition } from '../segments/partition.ts'
import { SegmentScanner } from '../segments/scan.ts'
import { frameHeaderAt, placeAfterHead, sizeOfLast } from '../segments/segment-file.ts'
import type { LocatedFrame, SegmentHead } from '../segments/segment-file.ts'
import { Absences, listSegmentFiles, segmentHolding } from '../segments/segment-listing.ts'
import type { ListedSegment } from '../segments/segment-listing.ts'
import { ConfirmedFrames } from '../segments/unconfirmed.ts'
import type { Indexed } from '../shared/segment-index.ts'
import type { HeldSegment } from '../shared/shared-files.ts'
import type { SharedLog } from '../shared/shared-log.ts'
import { ReadPlace } from './read-place.ts'
import type { LogAsListed } from './read-place.ts'

/** A log, and who else knows of it. */
export interface CursorContext {
  readonly fs: FileSystem
  readonly partition: Partition
  readonly shared: Pick<SharedLog, 'highWatermark' | 'files' | 'indexes' | 'openings'>
  /** Whether a commit is left out as long as it may not be durable, for all that is known here. */
  readonly durableOnly: boolean
  /** Rejects where the path leads to another directory by now than the one that `shared` is about, or to none. */
  readonly checkDirectory: () => Promise<void>
}

/** A segment that is being read. */
interface Reading extends Scanned {
  readonly opened: HeldSegment
  readonly scanner: SegmentScanner
  /** Holds back what is not known to be durable; null where all is that is read, or where nobody minds. */
  readonly confirmed: ConfirmedFrames | null
}

export class LogCursor {
  readonly #context: CursorContext
  #place: ReadPlace
  /** The segments, as long as the one being read is not the last of them. */
  #listed: readonly ListedSegment[] = []
  #reading: Reading | null = null
  /** What looked like damage once: the bytes may have been written between the reading of them and of their proof. */
  #suspect: CorruptLogError | null = null
  /** How many writers this thread had opened when the place was last compared with the files. */
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

  /** The same reading, in the directory that is where this one's was: what was returned is compared with what is there. */
  movedTo(context: CursorContext): LogCursor {
    const moved = new LogCursor(context, null)
    moved.#place = this.#place
    moved.#comparedAfter = -1
    return moved
  }

  /** The next offset; null as long as nothing is known of a log that is read from its first. */
  get nextOffset(): number | null {
    return this.#place.nextOffset
  }

  /**
   * The next frames that hold wanted offsets, in order, each verified; none at the end of what is there. It may be
   * asked again then. Throws as `WalReader.read` does. A file is open between two calls, but not after one that gave nothing.
   */
  async next(): Promise<readonly LocatedFrame[]> {
    // What was opened by an earlier call ends where the file ended then: behind it there may be more by now.
    let isFromBefore = this.#reading !== null
    for (;;) {
      const { shared } = this.#context
      // Asked before the directory is listed: what is durable by now is in the segments that are listed.
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
   * Whether what was returned is known to be in the log: a writer that was opened since it was read may have found
   * another one.
   */
  get isCompared(): boolean {
    return !this.#place.hasReturned || this.#comparedAfter === this.#context.shared.openings
  }

  /** Whether a file is open. */
  get isReading(): boolean {
    return this.#reading !== null
  }

  /** Whether a frame is the one after the last that was read, of the same segment. */
  isFollowedBy(located: LocatedFrame): boolean {
    return this.#place.isFollowedBy(located)
  }

  /** Goes on behind frames that were read elsewhere, the first of which follows the last. Not while reading. */
  skip(located: readonly LocatedFrame[]): void {
    this.#listed = []
    let last: LocatedFrame | undefined
    for (const next of located) {
      // The last of a segment says what the others do.
      if (last !== undefined && last.segment.salt !== next.segment.salt)
        this.#place.advance(last.segment, last.frame.header)
      last = next
    }
    if (last !== undefined) this.#place.advance(last.segment, last.frame.header)
  }

  /** Gives up the open file. */
  async close(): Promise<void> {
    const reading = this.#reading
    if (reading === null) return
    this.#reading = null
    // Behind the last segment there may be another one by now.
    if (reading.segment.successor === null) this.#listed = []
    await reading.opened.release()
  }

  /** Opens the segment that holds the next offset; null where the log has no segment. */
  async #enter(bound: number): Promise<Reading | null> {
    const absences = new Absences()
    for (let isAgain = false; ; isAgain = true) {
      // The last of those that were listed before may have a successor by now, which says where it ends.
      if (this.#listedFor(this.#listed[0]?.baseOffset ?? 0)?.successor === null) this.#listed = []
      const isListedNow = this.#listed.length === 0
      const segment = await this.#segmentAt(bound)
      if (segment === null) {
        await this.#context.checkDirectory()
        return null
      }
      try {
        return await this.#open(segment, { bound, isListedNow })
      } catch (error) {
        // What was deleted or replaced since it was listed may also look like damage: a new listing tells.
        if (isAgain || !isAboutSegments(error)) absences.allow(error)
        this.#listed = []
      }
    }
  }

  /** The segment of those listed that holds what is to be read next. */
  #listedFor(firstOffset: number): ListedSegment | undefined {
    const wanted = this.#place.nextToRead ?? firstOffset
    return segmentHolding(this.#listed, wanted)
  }

  async #segmentAt(bound: number): Promise<ListedSegment | null> {
    const { fs, partition } = this.#context
    if (this.#listed.length === 0) this.#listed = await listSegmentFiles(fs, partition.directory)
    const firstOffset = this.#listed[0]?.baseOffset ?? 0
    const wanted = this.#place.nextToRead ?? firstOffset
    const segment = this.#listedFor(firstOffset)
    if (segment !== undefined) return segment
    if (wanted < firstOffset && (this.nextOffset ?? 0) >= firstOffset) {
      // Of the commit that was cut, what was returned is deleted: nothing is left to compare with.
      this.#place.forget()
      return this.#segmentAt(bound)
    }
    const isEmpty = this.#listed.length === 0
    if (isEmpty && bound === Infinity && this.#place.hasReturned) throw await this.#divergence()
    if (isEmpty && wanted < bound && bound !== Infinity) throw missingSegments(partition, { wanted, bound })
    if (isEmpty && wanted === 0) return null
    throw this.#outOfRange(firstOffset, bound === Infinity ? (this.#listed.at(-1)?.baseOffset ?? 0) : bound)
  }

  async #open(
    segment: ListedSegment,
    { bound, isListedNow }: { bound: number; isListedNow: boolean },
  ): Promise<Reading> {
    const { fs, partition, shared, durableOnly } = this.#context
    const { successor } = segment
    const { openings } = shared
    const opened = await shared.files.hold(fs, segment, partition)
    try {
      const stated = successor && (await shared.indexes.endOf(opened, { successor, headOf: this.#headOf, isListedNow }))
      const limit = stated?.limit ?? (await sizeOfLast(opened))
      // A writer may have been opened meanwhile: not all of its commits up to the limit need be durable.
      const boundNow = bound === Infinity ? shared.highWatermark : bound
      const start = await this.#startIn({ segment: opened, last: stated?.last ?? null, limit }, segment, boundNow)
      // Last, so that nothing that was found belongs to another log.
      await this.#context.checkDirectory()
      this.#place.enter(opened.head, start)
      this.#comparedAfter = openings
      const scanner = new SegmentScanner(opened.handle, { ...start, limit })
      // Where a successor or the writer says how far it is durable, nobody needs to guess.
      const isConfirmed = stated !== null || boundNow !== Infinity
      const confirmed = durableOnly && !isConfirmed ? new ConfirmedFrames() : null
      return { segment, opened, scanner, limit, bound: boundNow, confirmed }
    } catch (error) {
      await opened.release()
      throw error
    }
  }

  /** The segments as they are listed by now, for what is to be compared with them. */
  #asListed(listed: readonly ListedSegment[]): LogAsListed {
    return { listed, headOf: this.#headOf, frameAt: this.#frameAt }
  }

  /** Where to begin in a segment: where it was left, or, where it was not read before, close before the next offset. */
  async #startIn(indexed: Indexed, segment: ListedSegment, bound: number): Promise<FramePlace> {
    const { head } = indexed.segment
    const { limit } = indexed
    const log = this.#asListed(this.#listed)
    const reached = await this.#place.placeIn({ head, segment, limit }, log)
    if (reached === 'diverged') throw await this.#whyGone(indexed, segment, bound)
    if (reached !== null) return reached
    const next = this.nextOffset ?? head.baseOffset
    return next === head.baseOffset ? placeAfterHead(head) : this.#context.shared.indexes.start(indexed, next)
  }

  /**
   * What it means that a segment is not what was read: another log, or damage, if there must be more than what is whole
   * of it.
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

  /** Goes behind frames, up to the bound, and gives those that are wanted. */
  async #pass({ opened, bound }: Reading, frames: readonly Frame[]): Promise<readonly LocatedFrame[]> {
    const { path, baseOffset, frame: openFrame } = opened.head
    const segment = { path, baseOffset, salt: openFrame.headerCrc }
    const found: LocatedFrame[] = []
    for (const frame of frames) {
      const { header } = frame
      const isWanted = this.#place.wants(header)
      if (header.baseOffset >= bound || nextOffsetAfter(header) > bound) {
        // The bound lies inside a commit only while a truncation is at work there.
        if (isWanted && header.baseOffset < bound) {
          found.push({ segment, frame: partOf(frame, { from: header.baseOffset, to: bound }) })
          this.#place.advanceInside(bound)
        }
        await this.close()
        break
      }
      this.#place.advance(segment, header)
      if (isWanted) found.push({ segment, frame })
    }
    return found
  }

  /** At the end of a segment, or of what can be read of it: is it as far as it must go? Gives what is known by that. */
  async #leave(reading: Reading): Promise<readonly LocatedFrame[]> {
    const { segment, scanner } = reading
    let found: readonly LocatedFrame[] = []
    const { nextOffset } = scanner.place
    const firstOffset = this.#listed[0]?.baseOffset ?? segment.baseOffset
    try {
      const damage = await damageAt(reading)
      const error = damage?.error ?? null
      if (error !== null && this.#suspect?.from === error.from && this.#suspect.path === error.path) throw error
      this.#suspect = error
      // What proves that there was more proves all before it.
      if (damage?.isConfirmed === true) found = await this.#pass(reading, reading.confirmed?.takeAll() ?? [])
    } finally {
      await this.close()
    }
    if (this.#suspect === null && (this.nextOffset ?? 0) > nextOffset) {
      throw this.#outOfRange(firstOffset, nextOffset)
    }
    // What looks like damage is looked for once more.
    if (this.#suspect !== null) this.#listed = []
    return found
  }

  /** Whether a segment that was read to its end is still the last: behind it the writer may have gone on meanwhile. */
  async #isOver({ segment, bound }: Reading): Promise<boolean> {
    if (segment.successor !== null || bound !== Infinity || this.#suspect !== null) return false
    const listed = await listSegmentFiles(this.#context.fs, this.#context.partition.directory)
    const isLast = listed.at(-1)?.baseOffset === segment.baseOffset
    this.#listed = isLast ? [] : listed
    return isLast
  }

  /** What it means that the wanted offset lies behind everything that is durable. */
  async #beyond(bound: number): Promise<OffsetOutOfRangeError | DivergedError> {
    if (this.#place.hasReturned) return this.#divergence()
    this.#listed = await listSegmentFiles(this.#context.fs, this.#context.partition.directory)
    return this.#outOfRange(this.#listed[0]?.baseOffset ?? 0, bound)
  }

  #outOfRange(firstOffset: number, nextOffset: number): OffsetOutOfRangeError {
    return new OffsetOutOfRangeError({
      path: this.#context.partition.directory,
      offset: BigInt(this.nextOffset ?? 0),
      firstOffset: BigInt(firstOffset),
      nextOffset: BigInt(nextOffset),
    })
  }

  /** Finds from where on the log is another one than that which was read; `agreed` as `ReadPlace.divergedFrom`. */
  async #divergence(agreed: FramePlace | null = null): Promise<DivergedError> {
    const { fs, partition } = this.#context
    const listed = await listSegmentFiles(fs, partition.directory)
    const offset = await this.#place.divergedFrom(this.#asListed(listed), agreed)
    return new DivergedError({ path: partition.directory, offset: BigInt(offset) })
  }
}

/** Whether an error says that segments are not, or do not go together, as they should. */
function isAboutSegments(error: unknown): boolean {
  return error instanceof CorruptLogError || error instanceof DivergedError
}
