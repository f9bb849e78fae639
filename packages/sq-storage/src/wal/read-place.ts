/**
 * How far a log was read, and whether what is found there by now goes on from it: a log that was truncated or healed
 * may have become another one. `log-cursor.ts` moves it along.
 */
import { frameEnd, FrameType, nextOffsetAfter } from './frame.ts'
import type { FrameHeader, FramePlace } from './frame.ts'
import type { SegmentLink } from './open-frame.ts'
import type { FrameOrigin, LocatedFrame } from './recent-frames.ts'
import type { SegmentHead } from './segment-file.ts'
import { segmentFrom } from './segment-listing.ts'
import type { ListedSegment } from './segment-listing.ts'

/** How far a segment was read: where to go on, and what to compare with what is found there. */
interface Reached {
  readonly baseOffset: number
  /** What its OPEN states of the segment before; null also where that was not read. */
  readonly previous: SegmentLink | null
  readonly place: FramePlace
  /** The place behind its last records: what follows them, a MARK or a SEAL, may have become void. */
  readonly recordsEnd: FramePlace
}

/** The segments of a log as they are listed by now, and what reads their heads. */
export interface LogAsListed {
  readonly listed: readonly ListedSegment[]
  readonly headOf: (segment: ListedSegment) => Promise<SegmentHead>
}

export class ReadPlace {
  #next: number | null
  #reached: Reached | null = null
  /** The segments that were read from; by them the place is found where another log began. */
  readonly #visited: { readonly baseOffset: number; readonly salt: number }[] = []

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

  /** Goes to a place in a segment. */
  enter({ baseOffset, open: { previous } }: SegmentHead, place: FramePlace): void {
    this.#next ??= baseOffset
    this.#reached = { baseOffset, previous, place, recordsEnd: place }
  }

  /** Goes behind a frame. */
  advance({ baseOffset, salt }: FrameOrigin, header: FrameHeader): void {
    const nextOffset = nextOffsetAfter(header)
    const place = { position: frameEnd(header), nextOffset, previousCrc: header.headerCrc, salt }
    const before = this.#reached?.place.salt === salt ? this.#reached : null
    const recordsEnd = header.type === FrameType.RECORDS ? place : (before?.recordsEnd ?? place)
    this.#reached = { baseOffset, previous: before?.previous ?? null, place, recordsEnd }
    if (!this.wants(header)) return
    this.#next = nextOffset
    if (this.#visited.at(-1)?.salt !== salt) this.#visited.push({ baseOffset, salt })
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
   * Where to go on in a segment that holds what is to be read next: null where nothing of it was read before. Rejects
   * as reading its head does.
   */
  async placeIn(head: SegmentHead, log: LogAsListed): Promise<FramePlace | 'diverged' | null> {
    const reached = this.#reached
    if (reached === null) return null
    if (this.hasReturned && !(await this.#goesOn(reached, { head, log }))) return 'diverged'
    // What follows the records is looked at again: nothing may stand behind a SEAL, and it may have become void.
    return reached.place.salt === head.frame.headerCrc ? reached.recordsEnd : null
  }

  /** Whether a segment goes on where reading had come to. */
  async #goesOn(
    { baseOffset, previous, place, recordsEnd }: Reached,
    { head, log: { listed, headOf } }: { head: SegmentHead; log: LogAsListed },
  ): Promise<boolean> {
    if (head.frame.headerCrc === place.salt) return true
    if (head.baseOffset !== place.nextOffset) return false
    const before = head.open.previous
    // In place of one that held no record: made when the first write to that one failed.
    if (head.baseOffset === baseOffset) return before?.lastCrc === previous?.lastCrc
    if (before?.baseOffset !== baseOffset || before.end < recordsEnd.position) return false
    const known = [place, recordsEnd].find(({ position }) => position === before.end)
    if (known !== undefined) return known.previousCrc === before.lastCrc
    // It ends behind what was read of it: with what else, if it is the same.
    const segment = segmentFrom(listed, baseOffset)
    return segment === undefined || (await headOf(segment)).frame.headerCrc === place.salt
  }

  /** The offset from which on the log is another one than that which was read, as far as its segments tell. */
  async divergedFrom({ listed, headOf }: LogAsListed): Promise<number> {
    let offset = this.#next ?? 0
    for (const { baseOffset, salt } of this.#visited.toReversed()) {
      const segment = segmentFrom(listed, baseOffset)
      if (segment !== undefined && (await headOf(segment)).frame.headerCrc === salt) {
        return Math.min(offset, segment.successor?.baseOffset ?? offset)
      }
      offset = baseOffset
    }
    return offset
  }
}
