/**
 * Reconstructs damaged bytes of a frame if an intact checksum confirms them: the one in its own header, or the one that
 * the next frame states. It only reads; `repair.ts` writes the result.
 */
import type { FileHandle } from '@sq/sim'
import {
  areAttributes,
  checksum,
  encodeFrameHeader,
  FRAME_ALIGNMENT,
  FRAME_HEADER_BYTES,
  frameEnd,
  FrameType,
} from '../format/frame.ts'
import type { FrameHeader, FramePlace } from '../format/frame.ts'
import { encodeSealBody } from '../format/seal.ts'
import type { SegmentSummary } from '../format/seal.ts'
import { checksumOf } from '../segments/file-checksum.ts'

/** Bytes that belong at a position of a segment instead of those that are there. */
export interface Restoration {
  readonly position: number
  readonly bytes: Buffer
}

/**
 * The body or the padding of a frame whose header verified; null if they cannot be reconstructed. A SEAL is built again
 * from the summary of all records before it.
 */
export async function restoreAfterHeader(
  handle: Pick<FileHandle, 'read'>,
  header: FrameHeader,
  summary: SegmentSummary,
): Promise<Restoration | null> {
  const position = header.position + FRAME_HEADER_BYTES
  if (header.type === FrameType.SEAL) {
    const bytes = encodeSealBody(summary, header.position)
    return bytes.length === header.bodyLength && checksum(bytes) === header.bodyCrc ? { position, bytes } : null
  }
  const bodyEnd = position + header.bodyLength
  const bodyCrc = await checksumOf(handle, { from: position, to: bodyEnd })
  return bodyCrc === header.bodyCrc ? { position: bodyEnd, bytes: Buffer.alloc(frameEnd(header) - bodyEnd) } : null
}

/** The kinds of frames with records: one for each combination of attributes. */
const RECORDS_KINDS = Array.from({ length: 0x100 }, (_, attributes) => ({
  type: FrameType.RECORDS,
  attributes,
})).filter(({ attributes }) => areAttributes(attributes))
const EMPTY_KINDS = [FrameType.MARK, FrameType.SEAL].map((type) => ({ type, attributes: 0 }))

/** What is known about a frame without its header. */
export interface FrameSurroundings {
  /** Its position, and what its fields must refer to. */
  readonly place: FramePlace
  /** Its end, and the offset after it. */
  readonly end: number
  readonly nextOffset: number
  /** Its `headerCrc`, as the next frame or segment states it. */
  readonly headerCrc: number
  /** The `durablePosition` of the frame before it: it is also that of this frame if one write holds both. */
  readonly previousDurablePosition: number
}

/** The header of a frame whose body and padding are intact; null if it cannot be reconstructed. */
export async function restoreHeader(
  handle: Pick<FileHandle, 'read'>,
  frame: FrameSurroundings,
): Promise<Restoration | null> {
  const { place, end, nextOffset, headerCrc, previousDurablePosition } = frame
  const { position } = place
  const bodyStart = position + FRAME_HEADER_BYTES
  const recordCount = nextOffset - place.nextOffset
  if (end < bodyStart || recordCount < 0 || recordCount > 0xffff_ffff || !Number.isSafeInteger(nextOffset)) return null
  // The body ends somewhere in the last 8 bytes: the checksum is continued over them byte by byte.
  const lastBytes = Buffer.alloc(Math.min(end - bodyStart, FRAME_ALIGNMENT - 1))
  if (lastBytes.length > 0) await handle.read(lastBytes, end - lastBytes.length)
  let bodyCrc = await checksumOf(handle, { from: bodyStart, to: end - lastBytes.length })
  for (let taken = 0; taken <= lastBytes.length; taken++) {
    if (taken > 0) bodyCrc = checksum(lastBytes.subarray(taken - 1, taken), bodyCrc)
    if (lastBytes.subarray(taken).some((byte) => byte !== 0)) continue
    const bodyLength = end - bodyStart - lastBytes.length + taken
    for (const kind of recordCount > 0 ? RECORDS_KINDS : EMPTY_KINDS) {
      for (const durablePosition of [position, previousDurablePosition]) {
        const bytes = Buffer.alloc(FRAME_HEADER_BYTES)
        const { nextOffset: baseOffset, previousCrc, salt } = place
        const fields = { ...kind, bodyLength, baseOffset, recordCount, position, durablePosition, previousCrc, bodyCrc }
        if (encodeFrameHeader(fields, bytes, { at: 0, salt }) === headerCrc) return { position, bytes }
      }
    }
  }
  return null
}
