/**
 * Decides where a segment ends. The next segment of the log, its successor, states its last frame and the position
 * after that frame; all later bytes in the file are an ignored tail. The last segment has no successor: a scan of its
 * frames finds its end, which cannot be after the end of the file.
 */
import { CorruptLogError, UnsupportedFormatError } from '../../errors.ts'
import { frameEnd, MAX_POSITION, nextOffsetAfter } from '../format/frame.ts'
import type { FrameHeader } from '../format/frame.ts'
import type { SegmentLink } from '../segment.ts'
import { frameHeaderAt } from './segment-file.ts'
import type { OpenSegment, SegmentHead } from './segment-file.ts'

/** The end of a segment as its successor or its file states it, not compared with its frames. */
export interface StatedEnd {
  /** What its successor states; null if none can be read, or it states a different segment before it. */
  readonly link: SegmentLink | null
  readonly fileBytes: number
  /** The position where its bytes end: `link.end` or, without a link, the end of the file. The file may be shorter. */
  readonly end: number
}

/** The end of a segment. If a successor states it, it was verified. */
export interface SegmentEnd {
  /** The position where its bytes end. For the last segment the end of its file: a scan up to there finds its end. */
  readonly limit: number
  /** The header of its last frame; null for the last segment. */
  readonly last: FrameHeader | null
}

/** The end of a segment that has a successor. */
export interface VerifiedEnd extends SegmentEnd {
  readonly last: FrameHeader
  /** The size of its file. The bytes after `limit` are an ignored tail. */
  readonly fileBytes: number
}

/**
 * The end of a segment, given the head of its successor, or null for the last segment. Reads one frame header at most.
 *
 * Rejects with `CorruptLogError` unless the successor states this segment before it, and the stated last frame is there
 * and ends at the stated position and before the successor's first offset. Rejects as `statedEnd` does for the last
 * segment.
 */
export function endOf(segment: OpenSegment, successor: SegmentHead): Promise<VerifiedEnd>
export function endOf(segment: OpenSegment, successor: SegmentHead | null): Promise<SegmentEnd>
export async function endOf(segment: OpenSegment, successor: SegmentHead | null): Promise<SegmentEnd | VerifiedEnd> {
  if (successor === null) return { limit: (await statedEnd(segment, null)).end, last: null }
  const { handle, head } = segment
  const { path, baseOffset, frame: open } = head
  const link = linkIn(successor, head)
  if (link === null) throw namesAnother(successor, baseOffset)
  // The salt of the segment does not verify OPEN itself, which was verified when the segment was opened.
  const isOpen = link.lastPosition === open.position
  const last = isOpen ? open : await frameHeaderAt(segment, link.lastPosition)
  const fileBytes = await handle.size()
  const wrong = (reason: string) =>
    new CorruptLogError({
      path,
      from: link.lastPosition,
      to: link.end,
      firstOffset: BigInt(baseOffset),
      lastOffset: BigInt(successor.baseOffset - 1),
      reason: `${successor.path} states its end at ${link.end}, ${reason}`,
    })
  if (fileBytes < link.end) throw wrong(`but the file has ${fileBytes} bytes`)
  if (last === null || last.headerCrc !== link.lastCrc) throw wrong('but that last frame is not there')
  if (frameEnd(last) !== link.end) throw wrong(`but the last frame ends at ${frameEnd(last)}`)
  if (nextOffsetAfter(last) !== successor.baseOffset) {
    throw wrong(`but the last frame ends before offset ${nextOffsetAfter(last)}, not ${successor.baseOffset}`)
  }
  return { limit: link.end, last, fileBytes }
}

/**
 * The end of a segment as its successor states it. If `successor` is null or states a different segment before it, the
 * end is that of the file; then a file that is longer than the largest position is rejected with
 * `UnsupportedFormatError`, because no log of this version was ever that long. Reads no frame.
 */
export async function statedEnd(segment: OpenSegment, successor: SegmentHead | null): Promise<StatedEnd> {
  const { handle, head } = segment
  const link = successor && linkIn(successor, head)
  const fileBytes = await handle.size()
  if (link === null && fileBytes > MAX_POSITION) {
    const found = `a segment file of ${fileBytes} bytes; this version knows none over 2^32 - 1`
    throw new UnsupportedFormatError({ path: head.path, position: MAX_POSITION, found })
  }
  return { link, fileBytes, end: link?.end ?? fileBytes }
}

/** What a successor states about a segment; null if it states a different one before it, or none. */
function linkIn({ open: { previous } }: SegmentHead, { baseOffset }: SegmentHead): SegmentLink | null {
  return previous?.baseOffset === baseOffset ? previous : null
}

/** The error for a successor that states no segment before it, or a different one than the one there. */
function namesAnother(successor: SegmentHead, baseOffset: number): CorruptLogError {
  const link = successor.open.previous
  const stated = link === null ? 'none' : `one with base offset ${link.baseOffset}`
  return new CorruptLogError({
    path: successor.path,
    from: 0,
    to: successor.bytes.length,
    firstOffset: BigInt(link?.baseOffset ?? baseOffset),
    lastOffset: BigInt(successor.baseOffset - 1),
    reason: `${successor.path} states ${stated} as the segment before it, found ${baseOffset}: a segment is missing or does not belong to this log`,
  })
}
