/**
 * How far a log was read, and whether what is there now continues it. A log that was truncated, that rolled over to a
 * new segment after a failed write, or whose last commit was rolled back may differ from what was read. `log-cursor.ts`
 * moves the place forward.
 *
 * An equal salt means that a segment is the one that was read, but not that its frames are the same: a commit that was
 * read before it was durable may have been replaced by a different one. So whenever a segment is entered again, the
 * last frame that was read is looked up: its checksum covers all frames before it.
 */
import { FrameType, nextOffsetAfter, placeAfter } from '../format/frame.ts'
import type { FrameHeader, FramePlace } from '../format/frame.ts'
import type { SegmentLink } from '../segment.ts'
import type { FrameOrigin, LocatedFrame, SegmentHead } from '../segments/segment-file.ts'
import { segmentFrom } from '../segments/segment-listing.ts'
import type { ListedSegment } from '../segments/segment-listing.ts'
import { ReadTrail } from './read-trail.ts'
import type { ReadFrame } from './read-trail.ts'

/** How far a segment was read: where to continue, and what to compare with what is there. */
interface Reached {
  readonly baseOffset: number
  /** What its OPEN states about the segment before it; null also if OPEN was not read. */
  readonly previous: SegmentLink | null
  readonly place: FramePlace
  /** The place after its last records. What follows them, a MARK or a SEAL, may have been rolled back. */
  readonly recordsEnd: FramePlace
  /** Its last frame of records, and some of those before it; null while none was read. */
  readonly last: ReadFrame | null
  readonly trail: ReadTrail
}

/** A segment from which records were returned, and the last of their frames. */
interface Visited {
  readonly baseOffset: number
  readonly salt: number
  readonly last: ReadFrame
}

/** The current segments of a log, and how to read their heads and frames. */
export interface LogAsListed {
  readonly listed: readonly ListedSegment[]
  readonly headOf: (segment: ListedSegment) => Promise<SegmentHead>
  /** The verified header of a frame at a position of a segment; null if none is there. */
  readonly frameAt: (segment: ListedSegment, position: number) => Promise<FrameHeader | null>
}

export class ReadPlace {
  #next: number | null
  #reached: Reached | null = null
  /** Used to find the offset from which the log differs. */
  readonly #visited: Visited[] = []

  constructor(from: number | null) {
    this.#next = from
  }

  /** The next wanted offset; null if the log is read from its start and nothing is known about it. */
  get nextOffset(): number | null {
    return this.#next
  }

  /** The offset to read next. It may be before the next wanted offset if a truncation has cut a commit. */
  get nextToRead(): number | null {
    return this.hasReturned ? (this.#reached?.place.nextOffset ?? null) : this.#next
  }

  /** Whether records were returned. */
  get hasReturned(): boolean {
    return this.#visited.length > 0
  }

  /** Whether a frame directly follows the last one that was read, in the same segment, or nothing was read. */
  isFollowedBy({ segment, frame }: LocatedFrame): boolean {
    if (this.#reached === null) return true
    const { place } = this.#reached
    return place.salt === segment.salt && place.previousCrc === frame.header.previousCrc
  }

  /** Whether a frame holds records that are wanted. */
  wants(header: FrameHeader): boolean {
    return header.type === FrameType.RECORDS && nextOffsetAfter(header) > (this.#next ?? 0)
  }

  /**
   * Moves to a place in a segment: where reading stopped, or where none of it was read. If the log is read from its
   * start, that is at `firstOffset`, or where the segment begins.
   */
  enter({ baseOffset, open: { previous } }: SegmentHead, place: FramePlace, firstOffset: number): void {
    this.#next ??= Math.max(baseOffset, firstOffset)
    const { last = null, trail = new ReadTrail() } = this.#isLeftAt(place) ? (this.#reached ?? {}) : {}
    this.#reached = { baseOffset, previous, place, recordsEnd: place, last, trail }
  }

  #isLeftAt(place: FramePlace): boolean {
    const end = this.#reached?.last?.end
    return end?.salt === place.salt && end.position === place.position
  }

  /** Moves past a frame. */
  advance({ baseOffset, salt }: FrameOrigin, header: FrameHeader): void {
    const place = placeAfter(header, salt)
    const before = this.#reached?.place.salt === salt ? this.#reached : null
    const previous = before?.previous ?? null
    const trail = before?.trail ?? new ReadTrail()
    if (header.type !== FrameType.RECORDS) {
      const { recordsEnd = place, last = null } = before ?? {}
      this.#reached = { baseOffset, previous, place, recordsEnd, last, trail }
      return
    }
    const last = { position: header.position, end: place }
    trail.add(last)
    this.#reached = { baseOffset, previous, place, recordsEnd: place, last, trail }
    if (!this.wants(header)) return
    this.#next = place.nextOffset
    if (this.#visited.at(-1)?.salt === salt) this.#visited.pop()
    this.#visited.push({ baseOffset, salt, last })
  }

  /** Only the records before an offset are returned of the frame at this place. */
  advanceInside(offset: number): void {
    this.#next = offset
  }

  /** Nothing that was returned is left in the log, so there is nothing to compare with. */
  forget(): void {
    this.#reached = null
    this.#visited.length = 0
  }

  /**
   * Where to continue in a segment that holds what is read next and of which `limit` bytes count. Null if nothing of it
   * was read before, or nothing that matters. Rejects as reading the segments does.
   */
  async placeIn(
    { head, segment, limit }: { head: SegmentHead; segment: ListedSegment; limit: number },
    log: LogAsListed,
  ): Promise<FramePlace | 'diverged' | null> {
    const reached = this.#reached
    if (reached === null) return null
    if (head.frame.headerCrc !== reached.place.salt) {
      return this.hasReturned && !(await this.#isFollowedByOne(reached, { head, log })) ? 'diverged' : null
    }
    const { last } = reached
    if (last === null) return null
    // What follows the records is read again: nothing may follow a SEAL, and it may have been rolled back.
    if (last.end.position <= limit && (await isThere(last, segment, log))) return last.end
    return this.hasReturned ? 'diverged' : null
  }

  /** Whether a segment continues where reading stopped in a different one. */
  async #isFollowedByOne(
    { baseOffset, previous, place, recordsEnd, last }: Reached,
    { head, log }: { head: SegmentHead; log: LogAsListed },
  ): Promise<boolean> {
    if (head.baseOffset !== place.nextOffset) return false
    const before = head.open.previous
    // It replaced a segment without records after the first write to that one failed.
    if (head.baseOffset === baseOffset) return before?.lastCrc === previous?.lastCrc
    if (before?.baseOffset !== baseOffset || before.end < recordsEnd.position) return false
    const known = [place, recordsEnd].find(({ position }) => position === before.end)
    if (known !== undefined) return known.previousCrc === before.lastCrc
    // It ends after what was read: then the last frame read must be there. If the segment is deleted, it cannot be
    // checked.
    const segment = segmentFrom(log.listed, baseOffset)
    return segment === undefined || last === null || (await isThere(last, segment, log))
  }

  /**
   * The place up to which a segment is the one that was read, within `limit` bytes; null if not even its first frames
   * are.
   */
  async agreedPlaceIn(segment: ListedSegment, limit: number, log: LogAsListed): Promise<FramePlace | null> {
    for (const frame of this.#reached?.trail.newestFirst() ?? []) {
      if (frame.end.position <= limit && (await isThere(frame, segment, log))) return frame.end
    }
    return null
  }

  /**
   * An offset from which on the log differs from what was read, as far as its segments tell: everything before it is
   * unchanged. If `agreed` is given, it is the answer for the segment that was read last.
   */
  async divergedFrom(log: LogAsListed, agreed: FramePlace | null = null): Promise<number> {
    const { listed, headOf } = log
    let offset = this.#next ?? 0
    for (const { baseOffset, salt, last } of this.#visited.toReversed()) {
      const segment = segmentFrom(listed, baseOffset)
      const isSame = segment !== undefined && (await headOf(segment)).frame.headerCrc === salt
      if (isSame) {
        const end = segment.successor?.baseOffset ?? Infinity
        if (await isThere(last, segment, log)) return Math.min(offset, end)
        const isLast = salt === this.#reached?.place.salt
        const place = isLast ? (agreed ?? (await this.agreedPlaceIn(segment, Infinity, log))) : null
        if (place !== null) return Math.min(offset, place.nextOffset, end)
      }
      offset = Math.min(offset, baseOffset)
    }
    return offset
  }
}

/** Whether a frame is still where it was read. Then everything before it is unchanged too. */
async function isThere(
  { position, end }: ReadFrame,
  segment: ListedSegment,
  { frameAt }: LogAsListed,
): Promise<boolean> {
  return (await frameAt(segment, position))?.headerCrc === end.previousCrc
}
