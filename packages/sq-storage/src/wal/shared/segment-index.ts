/**
 * Finds the place at which to begin reading a segment, by its index. The index comes from the SEAL, or is built here
 * from frames that are read once, as far as any reader needed. `log-cursor.ts` begins there.
 */
import { FrameType } from '../format/frame.ts'
import type { FrameHeader, FramePlace } from '../format/frame.ts'
import { SummaryBuilder } from '../format/seal.ts'
import type { IndexEntry, SegmentSummary } from '../format/seal.ts'
import { SegmentScanner } from '../segments/scan.ts'
import { endOf } from '../segments/segment-end.ts'
import type { SegmentEnd, VerifiedEnd } from '../segments/segment-end.ts'
import { frameHeaderAt, placeAfterHead } from '../segments/segment-file.ts'
import type { OpenSegment, SegmentHead } from '../segments/segment-file.ts'
import type { ListedSegment } from '../segments/segment-listing.ts'
import { readSummary, summarize } from '../segments/summary.ts'

/** The number of segments whose indexes are kept. The index of a segment of 64 MiB takes about 60 KiB. */
const MAX_KEPT = 64

/** A segment to search, and where it ends. */
export interface Indexed extends SegmentEnd {
  readonly segment: OpenSegment
}

/** The successor of a segment, null for the last one, and how to read its head. */
interface Neighbour {
  readonly successor: ListedSegment | null
  readonly headOf: (segment: ListedSegment) => Promise<SegmentHead>
  /** If false, the successor may have been deleted, and a different one may state a different end. */
  readonly isListedNow: boolean
}

/** The indexes of the segments of one log that were used last. */
export class SegmentIndexes {
  /** The index that the writer of this thread has of the segment with this salt; null if there is none. */
  readonly #written: (salt: number) => readonly IndexEntry[] | null
  /** By the salt of the segment, which distinguishes it from any other of the same name. Least recently used first. */
  readonly #known = new Map<number, SegmentIndex>()

  constructor(written: (salt: number) => readonly IndexEntry[] | null = () => null) {
    this.#written = written
  }

  /**
   * The end of a segment, verified against its successor once. As long as it has a successor at the same offset and the
   * stated last frame is there, the segment holds the same records.
   */
  async endOf(segment: OpenSegment, { successor, headOf, isListedNow }: Neighbour): Promise<SegmentEnd> {
    if (successor === null) return endOf(segment, null)
    const known = this.#of(segment.head.frame.headerCrc)
    const { end } = known
    if (isListedNow && end?.nextBaseOffset === successor.baseOffset && (await isThere(segment, end.last))) return end
    const verified = await endOf(segment, await headOf(successor))
    known.end = { ...verified, nextBaseOffset: successor.baseOffset }
    return verified
  }

  /**
   * The place from which to read to reach the wanted offset soon: the head of the segment, or the last indexed frame
   * that does not begin after that offset. Rejects with the errors of reading. An index that points to no frame is
   * ignored: a reader that begins at the head finds what is wrong.
   */
  async start({ segment, last, limit }: Indexed, wanted: number): Promise<FramePlace> {
    const { head } = segment
    const index = this.#written(head.frame.headerCrc) ?? (await this.#indexOf({ segment, last, limit }, wanted))
    const entry = index.findLast(
      ({ offsetDelta, position }) => head.baseOffset + offsetDelta <= wanted && position < limit,
    )
    return (entry === undefined ? null : await placeBefore(segment, entry)) ?? placeAfterHead(head)
  }

  async #indexOf({ segment, last, limit }: Indexed, wanted: number): Promise<readonly IndexEntry[]> {
    const known = this.#of(segment.head.frame.headerCrc)
    const isSealed = last !== null && last.type === FrameType.SEAL
    const { index } = isSealed ? await known.summary(segment, last) : await known.upTo(wanted, { segment, limit })
    return index
  }

  /** The summary of a segment: of all records of a closed one, and of those written so far in the last one. */
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

/** The place before an indexed frame; null if the frame is not there. */
async function placeBefore(segment: OpenSegment, { position, offsetDelta }: IndexEntry): Promise<FramePlace | null> {
  const { head } = segment
  const header = await frameHeaderAt(segment, position)
  if (header === null || header.baseOffset !== head.baseOffset + offsetDelta) return null
  return { position, nextOffset: header.baseOffset, previousCrc: header.previousCrc, salt: head.frame.headerCrc }
}

/** Whether a segment still has a frame that was read: then everything before it is unchanged too. */
async function isThere(segment: OpenSegment, { position, headerCrc }: FrameHeader): Promise<boolean> {
  return (await frameHeaderAt(segment, position))?.headerCrc === headerCrc
}

/** What is known about one segment. */
class SegmentIndex {
  /** The end stated by the successor at this offset. */
  end: (VerifiedEnd & { readonly nextBaseOffset: number }) | null = null
  #summary: { readonly lastCrc: number; readonly summary: Promise<SegmentSummary> } | null = null
  /** The summary so far, the place that it reaches, and the last frame before that place. */
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

  /** The index up to a wanted offset. One caller reads at a time, and the others use the result. */
  async upTo(wanted: number, within: { segment: OpenSegment; limit: number }): Promise<SegmentSummary> {
    const turn = this.#gathering.then(() => this.#gather(wanted, within))
    this.#gathering = turn.catch(() => {})
    await turn
    return this.#gathered
  }

  async #gather(wanted: number, { segment, limit }: { segment: OpenSegment; limit: number }): Promise<void> {
    const { handle, head } = segment
    // A commit that was read before it was durable may have been rolled back, and a different one may be in its place.
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
