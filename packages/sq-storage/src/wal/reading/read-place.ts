/**
 * How far a log was read, and whether what is found there by now goes on from it: a log that was truncated or healed,
 * or whose last commit was rolled back, may have become another one. `log-cursor.ts` moves it along.
 *
 * An equal salt says that a segment is the one that was read, not that its frames are: a commit that was read before it
 * was durable may be gone, and another one stand in its place. So the last frame that was read is looked for whenever
 * its segment is entered again: its checksum stands for all frames before it.
 */
import { frameEnd, FrameType, nextOffsetAfter } from '../format/frame.ts'
import type { FrameHeader, FramePlace } from '../format/frame.ts'
import type { SegmentLink } from '../segment.ts'
import type { FrameOrigin, LocatedFrame, SegmentHead } from '../segments/segment-file.ts'
import { segmentFrom } from '../segments/segment-listing.ts'
import type { ListedSegment } from '../segments/segment-listing.ts'
import { ReadTrail } from './read-trail.ts'
import type { ReadFrame } from './read-trail.ts'

/** How far a segment was read: where to go on, and what to compare with what is found there. */
interface Reached {
  readonly baseOffset: number
  /** What its OPEN states of the segment before; null also where that was not read. */
  readonly previous: SegmentLink | null
  readonly place: FramePlace
  /** The place behind its last records: what follows them, a MARK or a SEAL, may have become void. */
  readonly recordsEnd: FramePlace
  /** Its last frame of records, and some of those before it; null while none was read. */
  readonly last: ReadFrame | null
  readonly trail: ReadTrail
}

/** A segment that records were returned from, and the last frame of them. */
interface Visited {
  readonly baseOffset: number
  readonly salt: number
  readonly last: ReadFrame
}

/** The segments of a log as they are listed by now, and what looks into them. */
export interface LogAsListed {
  readonly listed: readonly ListedSegment[]
  readonly headOf: (segment: ListedSegment) => Promise<SegmentHead>
  /** The verified header of a segment's frame at a position; null if none is there. */
  readonly frameAt: (segment: ListedSegment, position: number) => Promise<FrameHeader | null>
}

export class ReadPlace {
  #next: number | null
  #reached: Reached | null = null
  /** By them the place is found where another log began. */
  readonly #visited: Visited[] = []

  constructor(from: number | null) {
    this.#next = from
  }

  /** The next offset that is wanted; null for the first of a log of which nothing is known. */
  get nextOffset(): number | null {
    return this.#next
  }

  /** What is to be read next, not all of which may be to be returned: a truncation may have cut a commit. */
  get nextToRead(): number | null {
    return this.hasReturned ? (this.#reached?.place.nextOffset ?? null) : this.#next
  }

  /** Whether records were returned. */
  get hasReturned(): boolean {
    return this.#visited.length > 0
  }

  /** Whether a frame is the one after the last that was read, of the same segment. */
  isFollowedBy({ segment, frame }: LocatedFrame): boolean {
    const place = this.#reached?.place
    return place?.salt === segment.salt && place.previousCrc === frame.header.previousCrc
  }

  /** Whether a frame holds records that are wanted. */
  wants(header: FrameHeader): boolean {
    return header.type === FrameType.RECORDS && nextOffsetAfter(header) > (this.#next ?? 0)
  }

  /** Goes to a place in a segment: where it was left, or where none of it was read. */
  enter({ baseOffset, open: { previous } }: SegmentHead, place: FramePlace): void {
    this.#next ??= baseOffset
    const { last = null, trail = new ReadTrail() } = this.#isLeftAt(place) ? (this.#reached ?? {}) : {}
    this.#reached = { baseOffset, previous, place, recordsEnd: place, last, trail }
  }

  #isLeftAt(place: FramePlace): boolean {
    const end = this.#reached?.last?.end
    return end?.salt === place.salt && end.position === place.position
  }

  /** Goes behind a frame. */
  advance({ baseOffset, salt }: FrameOrigin, header: FrameHeader): void {
    const nextOffset = nextOffsetAfter(header)
    const place = { position: frameEnd(header), nextOffset, previousCrc: header.headerCrc, salt }
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
    this.#next = nextOffset
    if (this.#visited.at(-1)?.salt === salt) this.#visited.pop()
    this.#visited.push({ baseOffset, salt, last })
  }

  /** Returns of the frame at the place only the records before an offset. */
  advanceInside(offset: number): void {
    this.#next = offset
  }

  /** Nothing is left of what was returned: there is nothing to compare with. */
  forget(): void {
    this.#reached = null
    this.#visited.length = 0
  }

  /**
   * Where to go on in a segment that holds what is to be read next, of which so many bytes count: null where nothing of
   * it was read before, or nothing that matters. Rejects as reading the segments does.
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
    // What follows the records is looked at again: nothing may stand behind a SEAL, and it may have become void.
    if (last.end.position <= limit && (await isThere(last, segment, log))) return last.end
    return this.hasReturned ? 'diverged' : null
  }

  /** Whether another segment goes on where reading had come to. */
  async #isFollowedByOne(
    { baseOffset, previous, place, recordsEnd, last }: Reached,
    { head, log }: { head: SegmentHead; log: LogAsListed },
  ): Promise<boolean> {
    if (head.baseOffset !== place.nextOffset) return false
    const before = head.open.previous
    // In place of one that held no record: made when the first write to that one failed.
    if (head.baseOffset === baseOffset) return before?.lastCrc === previous?.lastCrc
    if (before?.baseOffset !== baseOffset || before.end < recordsEnd.position) return false
    const known = [place, recordsEnd].find(({ position }) => position === before.end)
    if (known !== undefined) return known.previousCrc === before.lastCrc
    // It ends behind what was read of it: with what else, if that is there. Where it is deleted, nobody can tell.
    const segment = segmentFrom(log.listed, baseOffset)
    return segment === undefined || last === null || (await isThere(last, segment, log))
  }

  /**
   * Up to where a segment that is entered again is the one that was read, limited to so many bytes; null where not even
   * its first frames may be.
   */
  async agreedPlaceIn(segment: ListedSegment, limit: number, log: LogAsListed): Promise<FramePlace | null> {
    for (const frame of this.#reached?.trail.newestFirst() ?? []) {
      if (frame.end.position <= limit && (await isThere(frame, segment, log))) return frame.end
    }
    return null
  }

  /**
   * An offset from which on the log is another one than that which was read, as far as its segments tell: all before it
   * is as it was. Where `agreed` is given, it is the answer for the segment that was read last.
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

/** Whether a frame that was read is where it was read, and with it all before it. */
async function isThere(
  { position, end }: ReadFrame,
  segment: ListedSegment,
  { frameAt }: LogAsListed,
): Promise<boolean> {
  return (await frameAt(segment, position))?.headerCrc === end.previousCrc
}
