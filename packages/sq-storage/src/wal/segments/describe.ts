/** Describes segments: their offsets, times, size and state. */
import type { FileSystem } from '@sq/sim'
import { frameEnd, FrameType, nextOffsetAfter } from '../format/frame.ts'
import type { FrameHeader } from '../format/frame.ts'
import { SummaryBuilder } from '../format/seal.ts'
import type { SegmentSummary } from '../format/seal.ts'
import type { SegmentLink } from '../segment.ts'
import type { Partition } from './partition.ts'
import { SegmentScanner } from './scan.ts'
import { endOf } from './segment-end.ts'
import { openSegment, placeAfterHead } from './segment-file.ts'
import type { OpenSegment, SegmentHead } from './segment-file.ts'
import type { ListedSegment } from './segment-listing.ts'
import { readSummary, summarize } from './summary.ts'

/** A segment of a log. */
export interface SegmentInfo {
  readonly path: string
  readonly topic: string
  readonly partition: number
  /** When it was created, in milliseconds since 1970, by the wall clock of the process that created it. */
  readonly createdMs: number
  readonly baseOffset: bigint
  /** The offset after its last record; equal to `baseOffset` if it holds none. */
  readonly nextOffset: bigint
  /** The offset of its last record; null if it holds none. */
  readonly lastOffset: bigint | null
  /** Of the first segment also those that `deleteRecords` has deleted, as in all that follows. */
  readonly records: number
  /** The valid bytes at the beginning of the file. The file may be longer; the bytes after these are ignored. */
  readonly bytes: number
  /** Smallest and largest timestamp of its records, in milliseconds since 1970; null if it holds none. */
  readonly minTimestampMs: number | null
  readonly maxTimestampMs: number | null
  /**
   * - `active`: the last segment; the writer appends to it.
   * - `sealed`: ended by its SEAL.
   * - `abandoned`: a write to it failed, and the log continues in the next segment, which states where this one ends.
   */
  readonly state: 'active' | 'sealed' | 'abandoned'
  /**
   * Where it ends, and which frame is its last: what the segment after it states. A log that continues after a copy of
   * this segment in another place can state it too: the option `previous` of `WalWriter.open` and `resetTo`.
   */
  readonly link: SegmentLink
}

/** A segment that holds records and will not be written again. */
export type ClosedSegment = SegmentInfo & {
  readonly state: 'sealed' | 'abandoned'
  readonly lastOffset: bigint
  readonly minTimestampMs: number
  readonly maxTimestampMs: number
}

/** A log, and its high watermark in this process: Infinity without a writer. */
interface LocatedLog {
  readonly partition: Partition
  readonly highWatermark: () => number
}

/**
 * The segments of a listing, in order. A segment with a successor is described by what the successor states of its end,
 * the last one by its own frames. Every file is opened once, and at most two are open at a time.
 */
export async function* describeSegments(
  fs: FileSystem,
  listed: readonly ListedSegment[],
  located: LocatedLog,
): AsyncGenerator<SegmentInfo, void, undefined> {
  const { partition } = located
  const open = (segment: ListedSegment): Promise<OpenSegment> => openSegment(fs, segment, { partition, mode: 'read' })
  let next: OpenSegment | null = null
  try {
    for (const segment of listed) {
      const opened: OpenSegment = next ?? (await open(segment))
      next = null
      try {
        next = segment.successor === null ? null : await open(segment.successor)
        yield await describeSegment(opened, next?.head ?? null, located)
      } finally {
        await opened.handle.close()
      }
    }
  } finally {
    if (next !== null) await next.handle.close()
  }
}

/** Describes a segment, given the head of its successor, or null for the last segment. */
async function describeSegment(
  segment: OpenSegment,
  successor: SegmentHead | null,
  { partition, highWatermark }: LocatedLog,
): Promise<SegmentInfo> {
  const { head } = segment
  const { limit, last } = await endOf(segment, successor)
  if (last !== null) {
    return infoOf(head, partition, { last, summary: await readSummary(segment, last), state: 'abandoned' })
  }
  const found = await scanLast(segment, { limit, highWatermark: highWatermark() })
  return infoOf(head, partition, { ...found, state: 'active' })
}

/** The last frame and the summary of the last segment, up to the high watermark. */
async function scanLast(
  { handle, head }: OpenSegment,
  { limit, highWatermark }: { limit: number; highWatermark: number },
): Promise<{ last: FrameHeader; summary: SegmentSummary }> {
  const scanner = new SegmentScanner(handle, { ...placeAfterHead(head), limit })
  const summary = new SummaryBuilder()
  let last = head.frame
  await scanner.run((frame) => {
    if (nextOffsetAfter(frame.header) > highWatermark) return
    summarize(frame, { summary, head })
    last = frame.header
  })
  return { last, summary }
}

/** A segment that ends with the frame `last`. Its state is `state`, unless that frame is a SEAL. */
function infoOf(
  { path, baseOffset, open }: SegmentHead,
  { topic, partition }: Partition,
  { last, summary, state }: { last: FrameHeader; summary: SegmentSummary; state: SegmentInfo['state'] },
): SegmentInfo {
  const records = nextOffsetAfter(last) - baseOffset
  return {
    path,
    topic,
    partition,
    createdMs: open.createdMs,
    baseOffset: BigInt(baseOffset),
    nextOffset: BigInt(nextOffsetAfter(last)),
    lastOffset: records > 0 ? BigInt(nextOffsetAfter(last) - 1) : null,
    records,
    bytes: frameEnd(last),
    minTimestampMs: records > 0 ? summary.minTimestampMs : null,
    maxTimestampMs: records > 0 ? summary.maxTimestampMs : null,
    state: last.type === FrameType.SEAL ? 'sealed' : state,
    link: { baseOffset, end: frameEnd(last), lastPosition: last.position, lastCrc: last.headerCrc },
  }
}
