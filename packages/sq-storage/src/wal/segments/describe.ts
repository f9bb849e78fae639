/** What a segment is, as one that is interested in it wants to know: its offsets, times, size and state. */
import type { FileSystem } from '@sq/sim'
import { frameEnd, FrameType, nextOffsetAfter } from '../format/frame.ts'
import type { FrameHeader } from '../format/frame.ts'
import { SummaryBuilder } from '../format/seal.ts'
import type { SegmentSummary } from '../format/seal.ts'
import type { Partition } from './partition.ts'
import { SegmentScanner } from './scan.ts'
import { openSegment, placeAfterHead, sizeOfLast, verifyLink } from './segment-file.ts'
import type { OpenSegment, SegmentHead } from './segment-file.ts'
import type { ListedSegment } from './segment-listing.ts'
import { readSummary, summarize } from './summary.ts'

/** A segment of a log as it stands. */
export interface SegmentInfo {
  readonly path: string
  /** When it was created, in milliseconds since 1970, by the wall clock of the process that created it. */
  readonly createdMs: number
  readonly baseOffset: bigint
  /** The offset after its last record; equal to `baseOffset` where it holds none. */
  readonly nextOffset: bigint
  readonly records: number
  /** Valid bytes; a file may hold more, which mean nothing. */
  readonly bytes: number
  /** Smallest and largest timestamp of its records, in milliseconds since 1970; null where it holds none. */
  readonly minTimestampMs: number | null
  readonly maxTimestampMs: number | null
  /** `active`: the last one, still written to; `sealed`: ended; `healed`: ended by its successor, after a failure. */
  readonly state: 'active' | 'sealed' | 'healed'
}

/**
 * The segments of a listing, in order, each by its own frames or, where it has a successor, by what that one states of
 * its end. Every file is opened once, and at most two are open at a time.
 */
export async function* describeSegments(
  fs: FileSystem,
  listed: readonly ListedSegment[],
  { partition, durableBound }: { partition: Partition; durableBound: () => number },
): AsyncGenerator<SegmentInfo, void, undefined> {
  const open = (segment: ListedSegment): Promise<OpenSegment> => openSegment(fs, segment, { partition, mode: 'read' })
  let next: OpenSegment | null = null
  try {
    for (const segment of listed) {
      const opened: OpenSegment = next ?? (await open(segment))
      next = null
      try {
        next = segment.successor === null ? null : await open(segment.successor)
        yield await (next === null ? describeLast(opened, durableBound) : describeEnded(opened, next.head))
      } finally {
        await opened.handle.close()
      }
    }
  } finally {
    if (next !== null) await next.handle.close()
  }
}

/** A segment that has a successor. */
async function describeEnded(segment: OpenSegment, successor: SegmentHead): Promise<SegmentInfo> {
  const { last } = await verifyLink(segment, successor)
  return infoOf(segment.head, { last, summary: await readSummary(segment, last), state: 'healed' })
}

/** The last segment: nothing but its own frames tells where it ends. */
async function describeLast(segment: OpenSegment, bound: () => number): Promise<SegmentInfo> {
  const { handle, head } = segment
  const limit = await sizeOfLast(segment)
  const end = bound()
  const scanner = new SegmentScanner(handle, { ...placeAfterHead(head), limit })
  const summary = new SummaryBuilder()
  let last = head.frame
  await scanner.run((frame) => {
    if (nextOffsetAfter(frame.header) > end) return
    summarize(frame, { summary, head })
    last = frame.header
  })
  return infoOf(head, { last, summary, state: 'active' })
}

/** A segment that ends with the frame `last`, in that state unless this is a SEAL. */
function infoOf(
  { path, baseOffset, open }: SegmentHead,
  { last, summary, state }: { last: FrameHeader; summary: SegmentSummary; state: SegmentInfo['state'] },
): SegmentInfo {
  const records = nextOffsetAfter(last) - baseOffset
  return {
    path,
    createdMs: open.createdMs,
    baseOffset: BigInt(baseOffset),
    nextOffset: BigInt(nextOffsetAfter(last)),
    records,
    bytes: frameEnd(last),
    minTimestampMs: records > 0 ? summary.minTimestampMs : null,
    maxTimestampMs: records > 0 ? summary.maxTimestampMs : null,
    state: last.type === FrameType.SEAL ? 'sealed' : state,
  }
}
