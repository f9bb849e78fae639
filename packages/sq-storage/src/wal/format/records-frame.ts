/**
 * RECORDS frames: encoded for their place in a segment, one or several for one durable write, and cut where a
 * truncation ends the log inside a batch.
 */
import { sliceBody } from './batch-body.ts'
import { checksum, encodeFrameHeader, FRAME_HEADER_BYTES, frameBytes, FrameType } from './frame.ts'
import type { Frame, FrameHeader, FramePlace } from './frame.ts'

/**
 * A RECORDS frame that is still to be completed. Its body is already in a buffer, after room for the header. In the
 * same buffer the next frame begins where it ends, padding included.
 */
export interface FrameDraft {
  readonly attributes: number
  readonly bodyLength: number
  /** The checksum of the body, if it is known. */
  readonly bodyCrc: number | null
  readonly recordCount: number
  readonly minTimestampMs: number
  readonly maxTimestampMs: number
}

/** Frames that follow each other, encoded for their place in a segment. */
export interface EncodedFrames {
  readonly bytes: Buffer
  readonly frames: readonly EncodedFrame[]
}

interface EncodedFrame {
  readonly header: FrameHeader
  readonly minTimestampMs: number
  readonly maxTimestampMs: number
}

/** Records that become durable by one write, as one or more frames. */
export interface RecordsWrite {
  /** The number of records in all its frames. */
  readonly recordCount: number
  /** Its frames, encoded for their place in a segment. */
  encode(place: FramePlace): EncodedFrames
}

/**
 * Completes the frames of one write in a buffer that already holds their bodies and has room for headers and padding.
 * All of them state the start of the write as `durablePosition`, because only what is before it is known to be durable:
 * no frame of a write vouches for another frame of it.
 */
export function finishRecordsFrames(buffer: Buffer, drafts: readonly FrameDraft[], place: FramePlace): EncodedFrames {
  const frames: EncodedFrame[] = []
  let { nextOffset, previousCrc } = place
  let at = 0
  for (const draft of drafts) {
    const { attributes, bodyLength, recordCount, minTimestampMs, maxTimestampMs } = draft
    const bodyStart = at + FRAME_HEADER_BYTES
    const bodyEnd = bodyStart + bodyLength
    const end = at + frameBytes(bodyLength)
    buffer.fill(0, bodyEnd, end)
    const fields = {
      type: FrameType.RECORDS,
      attributes,
      bodyLength,
      baseOffset: nextOffset,
      recordCount,
      position: place.position + at,
      durablePosition: place.position,
      previousCrc,
      bodyCrc: draft.bodyCrc ?? checksum(buffer.subarray(bodyStart, bodyEnd)),
    }
    const headerCrc = encodeFrameHeader(fields, buffer, { at, salt: place.salt })
    frames.push({ header: { ...fields, headerCrc }, minTimestampMs, maxTimestampMs })
    nextOffset += recordCount
    previousCrc = headerCrc
    at = end
  }
  return { bytes: buffer.subarray(0, at), frames }
}

/**
 * A batch reduced to its records with offsets in `[from, to)`, with the same metadata. Null if its body does not hold
 * them, which includes an opaque batch.
 */
export function partOf({ header, body, bytes }: Frame, { from, to }: { from: number; to: number }): Frame | null {
  const { baseOffset, attributes } = header
  const part = sliceBody(body, attributes, { from: from - baseOffset, to: to - baseOffset })
  if (part === null) return null
  const changed = { baseOffset: from, recordCount: to - from, bodyLength: part.length, bodyCrc: checksum(part) }
  return { header: { ...header, ...changed }, body: part, bytes }
}
