/**
 * Frames, the units of a segment after its header: one frame is one commit, or one statement about the segment. The
 * bodies have their own files: OPEN in `segment.ts`, the others in `record.ts` and `seal.ts`.
 *
 * ```
 *  0      2    3     4            8                16            20
 *  +------+----+-----+------------+----------------+-------------+----------+
 *  | "FR" |type|attr.| bodyLength | baseOffset u64 | recordCount | position |
 *  +------+----+-----+------------+----------------+-------------+----------+
 *  24                28            32        36          40
 *  +-----------------+-------------+---------+-----------+------+---------------------------+
 *  | durablePosition | previousCrc | bodyCrc | headerCrc | body | zeros to a multiple of 8  |
 *  +-----------------+-------------+---------+-----------+------+---------------------------+
 * ```
 *
 * All little-endian, u32 where nothing else is said. `headerCrc` covers bytes 0 to 35 and is seeded with the segment's
 * salt, so that a frame of another segment, or one that somebody stored as a value, does not verify in this one.
 */
import { crc32 } from 'node:zlib'
import { readUint64, writeUint64 } from './integers.ts'

export const FRAME_HEADER_BYTES = 40
/** Frames begin at multiples of this. */
export const FRAME_ALIGNMENT = 8
/** Every position is below 2^32, also the one where a segment ends. */
export const MAX_POSITION = 0xffff_ffff
/** One record of 1 GiB: the longest body that version 1 writes. */
const MAX_RECORDS_BYTES = 2 ** 30 + 24
/** Of every other type: a SEAL with an index entry for every 64 KiB of the longest segment. */
const MAX_BODY_BYTES = 2 ** 20 + 8
/** `FR`, so that frames can be seen in a hex dump. */
export const MARKER = 0x5246

export const FrameType = {
  /** First in a segment: who it is and what came before. */
  OPEN: 1,
  /** One or more records. */
  RECORDS: 2,
  /** Proves that all before its `durablePosition` was durable. Its body is zeros. */
  MARK: 3,
  /** Ends a segment for good. */
  SEAL: 4,
} as const

const AT = {
  marker: 0,
  type: 2,
  attributes: 3,
  bodyLength: 4,
  baseOffset: 8,
  recordCount: 16,
  position: 20,
  durablePosition: 24,
  previousCrc: 28,
  bodyCrc: 32,
  headerCrc: 36,
} as const

export interface FrameHeader {
  /** One of `FrameType`, or a type this version does not know. */
  readonly type: number
  /** Zero in version 1. */
  readonly attributes: number
  /** Length of the body in bytes, without the padding. */
  readonly bodyLength: number
  /** Offset of the first record; in a frame without records, the next offset. */
  readonly baseOffset: number
  /** Number of records; never 0 in RECORDS, always 0 elsewhere. */
  readonly recordCount: number
  /** Where this frame begins in its file, in bytes. */
  readonly position: number
  /** Everything before this position was known to be durable when the frame was built. */
  readonly durablePosition: number
  /** `headerCrc` of the frame before; in OPEN the CRC of the segment header. */
  readonly previousCrc: number
  /** CRC-32 of the body, without the padding. */
  readonly bodyCrc: number
  readonly headerCrc: number
}

/** A whole frame. Its bytes are views on a buffer that nobody writes to again. */
export interface Frame {
  readonly header: FrameHeader
  readonly body: Buffer
  /** The frame as it stands in the file: header, body and padding. */
  readonly bytes: Buffer
}

/** Where a segment stands: the end of its last frame, and what the next frame must refer to. */
export interface FramePlace {
  readonly position: number
  readonly nextOffset: number
  readonly previousCrc: number
  readonly salt: number
}

/** CRC-32 (IEEE, as in zlib and gzip) of some bytes, carried on from `seed`. */
export function checksum(bytes: Uint8Array, seed = 0): number {
  return crc32(bytes, seed)
}

/** Bytes a frame takes in its file: header, body and padding. */
export function frameBytes(bodyLength: number): number {
  return FRAME_HEADER_BYTES + Math.ceil(bodyLength / FRAME_ALIGNMENT) * FRAME_ALIGNMENT
}

/** Writes a header at a place in `target` and returns its `headerCrc`. */
export function encodeFrameHeader(
  header: Omit<FrameHeader, 'headerCrc' | 'attributes'>,
  target: Buffer,
  { at, salt }: { at: number; salt: number },
): number {
  target.writeUInt16LE(MARKER, at + AT.marker)
  target[at + AT.type] = header.type
  target[at + AT.attributes] = 0
  target.writeUInt32LE(header.bodyLength, at + AT.bodyLength)
  writeUint64(target, header.baseOffset, at + AT.baseOffset)
  target.writeUInt32LE(header.recordCount, at + AT.recordCount)
  target.writeUInt32LE(header.position, at + AT.position)
  target.writeUInt32LE(header.durablePosition, at + AT.durablePosition)
  target.writeUInt32LE(header.previousCrc, at + AT.previousCrc)
  target.writeUInt32LE(header.bodyCrc, at + AT.bodyCrc)
  const headerCrc = checksum(target.subarray(at, at + AT.headerCrc), salt)
  target.writeUInt32LE(headerCrc, at + AT.headerCrc)
  return headerCrc
}

/**
 * Reads the header at a place in `source`, or null unless it is a header of the segment with this salt, written for
 * this position in its file. Type and attributes are not judged here.
 */
export function decodeFrameHeader(
  source: Buffer,
  { at, position, salt }: { at: number; position: number; salt: number },
): FrameHeader | null {
  // The two cheap comparisons come first: a search tries this at every eighth byte of a file.
  if (at + FRAME_HEADER_BYTES > source.length) return null
  if (source.readUInt16LE(at + AT.marker) !== MARKER || source.readUInt32LE(at + AT.position) !== position) return null
  const headerCrc = source.readUInt32LE(at + AT.headerCrc)
  if (checksum(source.subarray(at, at + AT.headerCrc), salt) !== headerCrc) return null
  return {
    type: source.readUInt8(at + AT.type),
    attributes: source.readUInt8(at + AT.attributes),
    bodyLength: source.readUInt32LE(at + AT.bodyLength),
    baseOffset: readUint64(source, at + AT.baseOffset),
    recordCount: source.readUInt32LE(at + AT.recordCount),
    position,
    durablePosition: source.readUInt32LE(at + AT.durablePosition),
    previousCrc: source.readUInt32LE(at + AT.previousCrc),
    bodyCrc: source.readUInt32LE(at + AT.bodyCrc),
    headerCrc,
  }
}

/** A copy of a frame that was just encoded. */
export function copyFrame(encoded: Uint8Array, header: FrameHeader): Frame {
  const bytes = Buffer.from(encoded)
  return { header, body: bytes.subarray(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + header.bodyLength), bytes }
}

/** What this version does not know about a frame whose header verified, or null if it knows all of it. */
export function unknownInFrame(header: FrameHeader): string | null {
  if (header.type < FrameType.OPEN || header.type > FrameType.SEAL) {
    return `a frame of type ${header.type}; this version knows types 1 to 4`
  }
  if (header.attributes !== 0) {
    return `a frame with attributes 0x${header.attributes.toString(16)}; this version knows none`
  }
  if (!Number.isSafeInteger(nextOffsetAfter(header))) return 'a frame with offsets over 2^53 - 1'
  const longest = header.type === FrameType.RECORDS ? MAX_RECORDS_BYTES : MAX_BODY_BYTES
  if (header.bodyLength > longest) {
    return `a frame of type ${header.type} with a body of ${header.bodyLength} bytes; this version knows none over ${longest}`
  }
  const end = frameEnd(header)
  return end > MAX_POSITION ? `a frame that ends at ${end}; this version knows no position over 2^32 - 1` : null
}

/** How long the frame at a place in `source` is, if a frame is there: nothing is verified, so nothing may rest on it. */
export function frameLengthHint(source: Buffer, at: number): number {
  return frameBytes(source.readUInt32LE(at + AT.bodyLength))
}

/** Where a verified frame ends in its file. */
export function frameEnd(header: FrameHeader): number {
  return header.position + frameBytes(header.bodyLength)
}

/** The offset after the last record of a frame. */
export function nextOffsetAfter(header: FrameHeader): number {
  return header.baseOffset + header.recordCount
}

/**
 * Whether a frame proves everything before it, itself in a sector of its own: damage to one sector then cannot take
 * both the last commit and the proof that it was one. A SEAL, and the second MARK of a pair, do.
 */
export function vouchesForAllBefore(header: FrameHeader): boolean {
  return header.type === FrameType.SEAL || (header.type === FrameType.MARK && header.durablePosition < header.position)
}
