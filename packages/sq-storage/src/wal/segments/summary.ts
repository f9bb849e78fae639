/**
 * The summary of the records of a segment: from its SEAL, or from a scan if the SEAL is missing or damaged. `seal.ts`
 * has the encoding. Recovery and the listing use it.
 */
import { timesOf } from '../format/batch-body.ts'
import {
  checksum,
  FRAME_ALIGNMENT,
  FRAME_HEADER_BYTES,
  frameEnd,
  FrameType,
  nextOffsetAfter,
  unknownInFrame,
} from '../format/frame.ts'
import type { Frame, FrameHeader } from '../format/frame.ts'
import { decodeSealBody, SummaryBuilder } from '../format/seal.ts'
import type { SegmentSummary } from '../format/seal.ts'
import { knownDamage, notRecords, confirmedDamage } from './damage.ts'
import { SegmentScanner } from './scan.ts'
import { placeAfterHead } from './segment-file.ts'
import type { OpenSegment, SegmentHead } from './segment-file.ts'

/**
 * The summary of a segment that ends with the frame `last`, which `endOf` returned: its header verified, and it lies
 * within the file. Reads the SEAL; scans the segment if there is none or it is damaged. Without records the
 * smallest timestamp is larger than the largest.
 *
 * Rejects with `CorruptLogError` if a scan meets a damaged commit, with `UnsupportedFormatError` and with `WalIoError`.
 */
export async function readSummary(segment: OpenSegment, last: FrameHeader): Promise<SegmentSummary> {
  const sealed = last.type === FrameType.SEAL && unknownInFrame(last) === null
  return (sealed ? await readSeal(segment, last) : null) ?? scanSummary(segment, last)
}

/**
 * Adds the records of a frame, if it holds any, to the summary of its segment. Throws if its body is not
 * what its header states.
 */
export function summarize(
  { header, body }: Frame,
  { summary, head }: { summary: SummaryBuilder; head: SegmentHead },
): void {
  if (header.type !== FrameType.RECORDS) return
  const times = timesOf(body, header)
  if (times === null) throw notRecords(head.path, header)
  const { position, recordCount } = header
  summary.add({ offsetDelta: header.baseOffset - head.baseOffset, position, recordCount, ...times })
}

/** The summary in the body of a SEAL; null if it is damaged or states something impossible. */
async function readSeal({ handle, head }: OpenSegment, seal: FrameHeader): Promise<SegmentSummary | null> {
  const body = Buffer.alloc(seal.bodyLength)
  await handle.read(body, seal.position + FRAME_HEADER_BYTES)
  const summary = checksum(body) === seal.bodyCrc ? decodeSealBody(body, seal.position) : null
  return summary !== null && isPossible(summary, { head, seal }) ? summary : null
}

/** Whether each index entry lies in the segment and after the one before it, and no time is out of range. */
function isPossible(
  { minTimestampMs, maxTimestampMs, index }: SegmentSummary,
  { head, seal }: { head: SegmentHead; seal: FrameHeader },
): boolean {
  let before = { offsetDelta: -1, position: frameEnd(head.frame) - FRAME_ALIGNMENT, maxTimestampMs: 0 }
  for (const entry of index) {
    const goesOn = entry.offsetDelta > before.offsetDelta && entry.position > before.position
    if (!goesOn || entry.position % FRAME_ALIGNMENT !== 0 || entry.maxTimestampMs < before.maxTimestampMs) return false
    before = entry
  }
  const isInside = before.position < seal.position && before.offsetDelta < seal.baseOffset - head.baseOffset
  const hasTimes = before.maxTimestampMs <= maxTimestampMs && minTimestampMs <= maxTimestampMs
  return isInside && hasTimes && Number.isSafeInteger(maxTimestampMs)
}

async function scanSummary(segment: OpenSegment, last: FrameHeader): Promise<SegmentSummary> {
  const { handle, head } = segment
  const limit = frameEnd(last)
  const scanner = new SegmentScanner(handle, { ...placeAfterHead(head), limit })
  const summary = new SummaryBuilder()
  const stop = await scanner.run((frame) => summarize(frame, { summary, head }))
  const { nextOffset } = scanner.place
  const expected = nextOffsetAfter(last)
  if (nextOffset < expected) {
    const here = { stop, nextOffset, limit }
    throw (await confirmedDamage(segment, here)) ?? knownDamage(head.path, here, expected - 1)
  }
  return summary
}
