/**
 * Frames. A segment consists of its header and of frames; a frame holds one commit, or one statement about the segment.
 * The bodies are in other files: OPEN in `segment.ts`, the others in `record.ts` and `seal.ts`.
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
 * All fields are little-endian, and u32 unless the table says otherwise. `headerCrc` covers bytes 0 to 35 and is seeded
 * with the salt of the segment, so a frame of another segment, or a frame stored as a value, does not verify in this
 * one.
 */
import { crc32 } from 'node:zlib'
import { readUint64, writeUint64 } from './integers.ts'

export const FRAME_HEADER_BYTES = 40
/** Frames begin at multiples of this. */
export const FRAME_ALIGNMENT = 8
/** Every position is below 2^32, including the end of a segment. */
export const MAX_POSITION = 0xffff_ffff
/** The longest RECORDS body of version 1: one record of 1 GiB. */
export const MAX_RECORDS_BYTES: number = 2 ** 30 + 24
/** The longest body of any other type: a SEAL with an index entry for every 64 KiB of the longest segment. */
const MAX_BODY_BYTES = 2 ** 20 + 8
/** `FR`, so that frames can be seen in a hex dump. */
export const MARKER = 0x5246

export const FrameType = {
  /** The first frame of a segment: its identity, and the end of the segment before it. */
  OPEN: 1,
  /** One or more records, or an opaque batch of them: `batch-body.ts`. */
  RECORDS: 2,
  /** A durability marker: everything before its `durablePosition` was durable. Its body is zeros. */
  MARK: 3,
  /** Ends a segment for good. */
  SEAL: 4,
} as const

/** The attributes of a RECORDS frame, as bits. The other types have none. */
export const Attribute = {
  /** The body begins with bytes of the caller that belong to the batch. */
  METADATA: 0x01,
  /** The body holds a payload that the log does not interpret, instead of records. */
  OPAQUE: 0x02,
  /** A record may have no value. */
  NULL_VALUES: 0x04,
} as const

const ALL_ATTRIBUTES = Attribute.METADATA | Attribute.OPAQUE | Attribute.NULL_VALUES

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

/** The header of a frame. */
export interface FrameHeader {
  /** One of `FrameType`, or a type that this version does not know. */
  readonly type: number
  /** In RECORDS the sum of some of `Attribute`, 0 in every other type. */
  readonly attributes: number
  /** Length of the body in bytes, without the padding. */
  readonly bodyLength: number
  /** Offset of the first record; in a frame without records, the next offset. */
  readonly baseOffset: number
  /** Number of records: at least 1 in RECORDS, 0 in every other type. */
  readonly recordCount: number
  /** The position of this frame in its file, in bytes. */
  readonly position: number
  /** Everything before this position was known to be durable when the frame was built. */
  readonly durablePosition: number
  /** `headerCrc` of the frame before; in OPEN the CRC of the segment header. */
  readonly previousCrc: number
  /** CRC-32 of the body, without the padding. */
  readonly bodyCrc: number
  readonly headerCrc: number
}

/** A complete frame. Its bytes are views on a buffer that is not written again. */
export interface Frame {
  readonly header: FrameHeader
  readonly body: Buffer
  /** The frame as it is in the file: header, body and padding. */
  readonly bytes: Buffer
}

/** The end of the last frame of a segment, and what the next frame must refer to. */
export interface FramePlace {
  readonly position: number
  readonly nextOffset: number
  readonly previousCrc: number
  readonly salt: number
}

/** CRC-32 (IEEE, as in zlib and gzip) of some bytes, continued from `seed`. */
export function checksum(bytes: Uint8Array, seed = 0): number {
  return crc32(bytes, seed)
}

/** Bytes a frame takes in its file: header, body and padding. */
export function frameBytes(bodyLength: number): number {
  return FRAME_HEADER_BYTES + Math.ceil(bodyLength / FRAME_ALIGNMENT) * FRAME_ALIGNMENT
}

/** Writes a header at a place in `target` and returns its `headerCrc`. */
export function encodeFrameHeader(
  header: Omit<FrameHeader, 'headerCrc'>,
  target: Buffer,
  { at, salt }: { at: number; salt: number },
): number {
  target.writeUInt16LE(MARKER, at + AT.marker)
  target[at + AT.type] = header.type
  target[at + AT.attributes] = header.attributes
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
 * Decodes the header at an index of `source`. Null unless it is a header of the segment with this salt, written for
 * this position in its file. Type and attributes are not checked here.
 */
export function decodeFrameHeader(
  source: Buffer,
  { at, position, salt }: { at: number; position: number; salt: number },
): FrameHeader | null {
  // The two cheap comparisons come first, because a search tries every eighth byte of a file.
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

/** A copy of a frame that was just encoded, in memory of its own: while it is kept, it holds no other bytes. */
export function copyFrame(encoded: Uint8Array, header: FrameHeader): Frame {
  const bytes = Buffer.allocUnsafeSlow(encoded.length)
  bytes.set(encoded)
  return { header, body: bytes.subarray(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + header.bodyLength), bytes }
}

/** What this version does not know about a frame whose header verified; null if it knows everything. */
export function unknownInFrame(header: FrameHeader): string | null {
  if (header.type < FrameType.OPEN || header.type > FrameType.SEAL) {
    return `a frame of type ${header.type}; this version knows types 1 to 4`
  }
  if (header.attributes !== 0 && (header.type !== FrameType.RECORDS || !areAttributes(header.attributes))) {
    const found = `a frame of type ${header.type} with attributes ${showAttributes(header.attributes)}`
    return `${found}; this version does not know them`
  }
  if (!Number.isSafeInteger(nextOffsetAfter(header))) return 'a frame with offsets over 2^53 - 1'
  const longest = header.type === FrameType.RECORDS ? MAX_RECORDS_BYTES : MAX_BODY_BYTES
  if (header.bodyLength > longest) {
    return `a frame of type ${header.type} with a body of ${header.bodyLength} bytes; this version knows none over ${longest}`
  }
  const end = frameEnd(header)
  return end > MAX_POSITION ? `a frame that ends at ${end}; this version knows no position over 2^32 - 1` : null
}

/** Whether a RECORDS frame of this version can have these attributes: an opaque batch has no values to be null. */
export function areAttributes(attributes: number): boolean {
  const isOpaque = (attributes & Attribute.OPAQUE) !== 0
  return (attributes & ~ALL_ATTRIBUTES) === 0 && !(isOpaque && (attributes & Attribute.NULL_VALUES) !== 0)
}

/** Attributes as they are written in messages, for example `0x03`. */
export function showAttributes(attributes: number): string {
  return `0x${attributes.toString(16).padStart(2, '0')}`
}

/**
 * The length of the frame at an index of `source`, if there is a frame. Nothing is verified, so this is only a hint.
 */
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

/** The place after a verified frame. */
export function placeAfter(header: FrameHeader, salt: number): FramePlace {
  return {
    position: frameEnd(header),
    nextOffset: nextOffsetAfter(header),
    previousCrc: header.headerCrc,
    salt,
  }
}

/**
 * Whether a frame vouches for everything before it, from a sector of its own. Damage to one sector then cannot destroy
 * both the last commit and the evidence that it was durable. True for a SEAL and for the second MARK of a pair.
 */
export function vouchesForAllBefore(header: FrameHeader): boolean {
  return header.type === FrameType.SEAL || (header.type === FrameType.MARK && header.durablePosition < header.position)
}
