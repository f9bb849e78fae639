/** RECORDS frames: encoded for their place in a segment, and cut where a truncation ends the log inside a commit. */
import { checksum, encodeFrameHeader, FRAME_HEADER_BYTES, frameBytes, FrameType } from './frame.ts'
import type { Frame, FrameHeader, FramePlace } from './frame.ts'
import { sliceRecords } from './record.ts'

/** Records that can be written to a segment as one frame. */
export interface RecordsFrame {
  readonly recordCount: number
  readonly minTimestampMs: number
  readonly maxTimestampMs: number
  /** The frame, encoded for its place in a segment. */
  encode(place: FramePlace): { bytes: Buffer; header: FrameHeader }
}

/** Completes a RECORDS frame in a buffer that already holds the body and has room for header and padding. */
export function finishRecordsFrame(
  buffer: Buffer,
  { bodyLength, recordCount, place }: { bodyLength: number; recordCount: number; place: FramePlace },
): { bytes: Buffer; header: FrameHeader } {
  const bodyEnd = FRAME_HEADER_BYTES + bodyLength
  const bytes = buffer.subarray(0, frameBytes(bodyLength))
  bytes.fill(0, bodyEnd)
  const header = {
    type: FrameType.RECORDS,
    bodyLength,
    baseOffset: place.nextOffset,
    recordCount,
    position: place.position,
    // Only one frame is in flight, so everything before this one is durable.
    durablePosition: place.position,
    previousCrc: place.previousCrc,
    bodyCrc: checksum(bytes.subarray(FRAME_HEADER_BYTES, bodyEnd)),
  }
  const headerCrc = encodeFrameHeader(header, bytes, { at: 0, salt: place.salt })
  return { bytes, header: { ...header, attributes: 0, headerCrc } }
}

/** A commit reduced to its records with offsets in `[from, to)`. */
export function partOf({ header, body, bytes }: Frame, { from, to }: { from: number; to: number }): Frame {
  const { baseOffset } = header
  const part = sliceRecords(body, from - baseOffset, to - baseOffset)
  const changed = { baseOffset: from, recordCount: to - from, bodyLength: part.length, bodyCrc: checksum(part) }
  return { header: { ...header, ...changed }, body: part, bytes }
}
