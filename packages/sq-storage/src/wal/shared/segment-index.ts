/**
 * Finds the place in a segment at which to begin reading, by its index: the one in its SEAL, or one that is gathered
 * here, from frames read once, as far as anybody asked. `log-cursor.ts` begins there.
 */
import { FrameType } from '../format/frame.ts'
import type { FrameHeader, FramePlace } from '../format/frame.ts'
import { SummaryBuilder } from '../format/seal.ts'
import type { IndexEntry, SegmentSummary } from '../format/seal.ts'
import { SegmentScanner } from '../segments/scan.ts'
import { frameHeaderAt, placeAfterHead, verifyLink } from '../segments/segment-file.ts'
import type { OpenSegment, SegmentHead } from '../segments/segment-file.ts'
import type { ListedSegment } from '../segments/segment-listing.ts'
import { readSummary, summarize } from '../segments/summary.ts'

/** How many segments' indexes are kept: of 64 MiB each, at some 60 KiB. */
const MAX_KEPT = 64

/** A segment to look in. */
export interface Indexed {
  readonly segment: OpenSegment
  /** Its last frame, where its successor states one. */
  readonly last: FrameHeader | null
  /** Where its bytes end. */
  readonly limit: number
}

/** Where to find what a segment's successor states of it. */
interface Neighbour {
  readonly successor: ListedSegment
  readonly headOf: (segment: ListedSegment) => Promise<SegmentHead>
  /** Else it may be gone, and another one say something else. */
  readonly isListedNow: boolean
}

/** The end of a segment, as its successor states it. */
export interface StatedEnd {
  readonly last: FrameHeader
  readonly limit: number
}

/** The indexes of one log's segments that were asked for last. */
export class SegmentIndexes {
  /** By the salt of the segment, which tells it from any other that had its name. Oldest use first. */
  readonly #known = new Map<number, SegmentIndex>()

  /**
   * Where a segment ends, verified against its successor once: as long as it has a successor at the same offset, and the
   * last frame that was stated, it holds the same records.
   */
  async endOf(segment: OpenSegment, { successor, headOf, isListedNow }: Neighbour): Promise<StatedEnd> {
    const known = this.#of(segment.head.frame.headerCrc)
    const { end } = known
    if (isListedNow && end?.nextBaseOffset === successor.baseOffset && (await isThere(segment, end.last))) return end
    const { link, last } = await verifyLink(segment, await headOf(successor))
    known.end = { last, limit: link.end, nextBaseOffset: successor.baseOffset }
    return known.end
  }

  /**
   * Before which frame to begin, to come to the wanted offset soon: at the segment's head, or at the last indexed frame
   * that does not begin behind that offset. Rejects with the errors of reading. An index that leads nowhere is left
   * alone: who begins at the head will find what is wrong.
   */
  async start({ segment, last, limit }: Indexed, wanted: number): Promise<FramePlace> {
    const { head } = segment
    const known = this.#of(head.frame.headerCrc)
    const isSealed = last !== null && last.type === FrameType.SEAL
    const { index } = isSealed ? await known.summary(segment, last) : await known.upTo(wanted, { segment, limit })
    const entry = index.findLast(
      ({ offsetDelta, position }) => head.baseOffset + offsetDelta <= wanted && position < limit,
    )
    return (entry === undefined ? null : await placeBefore(segment, entry)) ?? placeAfterHead(head)
  }

  /** What the index of a segment says of its records: of all of an ended one, and of the last as far as it is written. */
  summaryOf({ segment, last, limit }: Indexed): Promise<SegmentSummary> {
    const known = this.#of(segment.head.frame.headerCrc)
    return last === null ? known.upTo(Infinity, { segment, limit }) : known.summary(segment, last)
  }

  #of(salt: number): SegmentIndex {
    const index = this.#known.get(salt) ?? new SegmentIndex()
    this.#known.delete(salt)
    this.#known.set(salt, index)
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MAX_KEPT) break
      this.#known.delete(oldest)
    }
    return index
  }
}

/** The place before an indexed frame, or null if it is not there. */
async function placeBefore(segment: OpenSegment, { position, offsetDelta }: IndexEntry): Promise<FramePlace | null> {
  const { head } = segment
  const header = await frameHeaderAt(segment, position)
  if (header === null || header.baseOffset !== head.baseOffset + offsetDelta) return null
  return { position, nextOffset: header.baseOffset, previousCrc: header.previousCrc, salt: head.frame.headerCrc }
}

/** Whether a segment still has a frame that was read: with it, all before it is as it was. */
async function isThere(segment: OpenSegment, { position, headerCrc }: FrameHeader): Promise<boolean> {
  return (await frameHeaderAt(segment, position))?.headerCrc === headerCrc
}

/** What is known of one segment. */
class SegmentIndex {
  /** The end that a successor at this offset states. */
  end: (StatedEnd & { readonly nextBaseOffset: number }) | null = null
  #summary: { readonly lastCrc: number; readonly summary: Promise<SegmentSummary> } | null = null
  /** What was gathered so far, the place up to which, and the last frame before that. */
  #gathered = new SummaryBuilder()
  #place: FramePlace | null = null
  #last: FrameHeader | null = null
  #gathering: Promise<unknown> = Promise.resolve()

  summary(segment: OpenSegment, last: FrameHeader): Promise<SegmentSummary> {
    if (this.#summary?.lastCrc === last.headerCrc) return this.#summary.summary
    const summary = readSummary(segment, last)
    const known = { lastCrc: last.headerCrc, summary }
    this.#summary = known
    summary.catch(() => {
      if (this.#summary === known) this.#summary = null
    })
    return summary
  }

  /** The index as far as it is needed for an offset. One caller reads on at a time, the others have the use of it. */
  async upTo(wanted: number, within: { segment: OpenSegment; limit: number }): Promise<SegmentSummary> {
    const turn = this.#gathering.then(() => this.#gather(wanted, within))
    this.#gathering = turn.catch(() => {})
    await turn
    return this.#gathered
  }

  async #gather(wanted: number, { segment, limit }: { segment: OpenSegment; limit: number }): Promise<void> {
    const { handle, head } = segment
    // A commit that was seen before it was durable may be gone, and another one be in its place.
    if (this.#last !== null && !(await isThere(segment, this.#last))) {
      this.#gathered = new SummaryBuilder()
      this.#place = null
      this.#last = null
    }
    this.#place ??= placeAfterHead(head)
    if (this.#place.nextOffset > wanted || this.#place.position >= limit) return
    const scanner = new SegmentScanner(handle, { ...this.#place, limit })
    while (scanner.stop === null && scanner.place.nextOffset <= wanted) {
      const frames = await scanner.next()
      for (const frame of frames) summarize(frame, { summary: this.#gathered, head })
      this.#last = frames.at(-1)?.header ?? this.#last
      this.#place = scanner.place
    }
  }
}
