/**
 * The name of a segment file and its head: the segment header, 32 bytes, and the frame OPEN. All other frames follow
 * (`format/frame.ts`).
 */
import {
  checksum,
  decodeFrameHeader,
  encodeFrameHeader,
  FRAME_HEADER_BYTES,
  frameBytes,
  frameEnd,
  FrameType,
  unknownInFrame,
} from './format/frame.ts'
import type { FrameHeader } from './format/frame.ts'
import { readUint64, writeUint64 } from './format/integers.ts'

export const SEGMENT_HEADER_BYTES = 32
const FORMAT_VERSION = 1
/** The temporary name of a segment while it is created. */
export const UNFINISHED_NAME = 'next.tmp'
/** The file that a writer locks. */
export const LOCK_NAME = 'lock'
/** The file that makes a log begin inside a segment. */
export const LOG_START_NAME = 'log-start'

const MAGIC = 'SQWL'
const HEADER_AT = { magic: 0, version: 4, topicLength: 6, topic: 8, partition: 28 } as const
const TOPIC_BYTES = HEADER_AT.partition - HEADER_AT.topic

/**
 * The segment header.
 *
 * ```
 *  0        4         6           8                        28          32
 *  +--------+---------+-----------+------------------------+-----------+
 *  | "SQWL" | version | topic_len | topic, 20 bytes, zeros | partition |
 *  |        |   u16   |    u16    |  after a shorter one   |    u32    |
 *  +--------+---------+-----------+------------------------+-----------+
 * ```
 *
 * `topic_len` is the length of the whole topic in bytes. A topic longer than 20 bytes is cut here; OPEN has the whole
 * topic.
 */
export interface SegmentHeader {
  readonly version: number
  /** Length of the whole topic in bytes. */
  readonly topicLength: number
  /** The first 20 bytes of the topic. */
  readonly topicStart: string
  readonly partition: number
}

/** The file name of a segment: its base offset as 20 decimal digits, so that names sort by offset. */
export function segmentName(baseOffset: number): string {
  return `${String(baseOffset).padStart(20, '0')}.wal`
}

/** The base offset in the name of a segment file, or null for any other name. */
export function parseSegmentName(name: string): number | null {
  return /^\d{20}\.wal$/.test(name) ? Number(name.slice(0, 20)) : null
}

/** The name of a segment while it replaces the log, and every other segment is removed. */
export function resetName(baseOffset: number): string {
  return `${segmentName(baseOffset)}.reset`
}

/** The base offset in a `resetName`, or null for any other name. */
export function parseResetName(name: string): number | null {
  return name.endsWith('.reset') ? parseSegmentName(name.slice(0, -'.reset'.length)) : null
}

/** The name of a segment that a repair quarantined, the n-th of this base offset. */
export function quarantinedName(baseOffset: number, nth: number): string {
  return `${segmentName(baseOffset)}.quarantined-${nth}`
}

/** Whether a name is one of `quarantinedName`. */
export function isQuarantinedName(name: string): boolean {
  return /^\d{20}\.wal\.quarantined-\d+$/.test(name)
}

/** Whether a name in the directory of a partition is one that the log gives to its files. */
export function isLogFileName(name: string): boolean {
  if (name === LOCK_NAME || name === UNFINISHED_NAME || name === LOG_START_NAME) return true
  if (isQuarantinedName(name)) return true
  return parseSegmentName(name) !== null || parseResetName(name) !== null
}

export function encodeSegmentHeader({ topic, partition }: { topic: string; partition: number }): Buffer {
  const header = Buffer.alloc(SEGMENT_HEADER_BYTES)
  header.write(MAGIC, HEADER_AT.magic, 'latin1')
  header.writeUInt16LE(FORMAT_VERSION, HEADER_AT.version)
  header.writeUInt16LE(topic.length, HEADER_AT.topicLength)
  header.write(topic, HEADER_AT.topic, TOPIC_BYTES, 'latin1')
  header.writeUInt32LE(partition, HEADER_AT.partition)
  return header
}

/** Decodes a segment header; null if the bytes do not begin with one. The version is not checked here. */
export function decodeSegmentHeader(source: Buffer): SegmentHeader | null {
  if (source.length < SEGMENT_HEADER_BYTES || source.toString('latin1', 0, HEADER_AT.version) !== MAGIC) return null
  const topicLength = source.readUInt16LE(HEADER_AT.topicLength)
  return {
    version: source.readUInt16LE(HEADER_AT.version),
    topicLength,
    topicStart: source.toString('latin1', HEADER_AT.topic, HEADER_AT.topic + Math.min(topicLength, TOPIC_BYTES)),
    partition: source.readUInt32LE(HEADER_AT.partition),
  }
}

/** Segment header and OPEN together are shorter than this, for every topic. */
export const MAX_HEAD_BYTES = 512

const OPEN_AT = {
  segmentId: 0,
  createdMs: 8,
  previousBaseOffset: 16,
  previousEnd: 24,
  previousLastPosition: 28,
  previousLastCrc: 32,
  topicLength: 36,
  topic: 38,
} as const

const NONE = 0xffff_ffff

/** The end of a segment as its successor states it. Bytes after that end in the file are an ignored tail. */
export interface SegmentLink {
  readonly baseOffset: number
  /** Position after its last valid frame. */
  readonly end: number
  /** Position of its last valid frame. */
  readonly lastPosition: number
  /** `headerCrc` of its last valid frame. */
  readonly lastCrc: number
}

/**
 * OPEN, the first frame of every segment: which segment this is, and where the one before it validly ends. Its
 * `headerCrc` is the salt of every later frame; its own header is seeded with the CRC of the segment header.
 *
 * ```
 *  0               8               16                        24
 *  +---------------+---------------+-------------------------+
 *  | segmentId u64 | createdMs u64 | previous.baseOffset u64 |
 *  +---------------+---------------+-------------------------+
 *  24             28                      32                 36               38
 *  +--------------+-----------------------+------------------+----------------+-------+
 *  | previous.end | previous.lastPosition | previous.lastCrc | topicLength u16| topic |
 *  +--------------+-----------------------+------------------+----------------+-------+
 * ```
 *
 * Without a previous segment its base offset is 2^64 - 1 and the other three are 0. The last frame meant is the one
 * that ends at `previous.end`.
 */
export interface OpenBody {
  /** Random. Distinguishes two segments of the same name. */
  readonly segmentId: bigint
  /** When the segment was created, in milliseconds since 1970, by a clock that may be wrong. */
  readonly createdMs: number
  readonly previous: SegmentLink | null
  readonly topic: string
}

function encodeOpenBody(open: OpenBody): Buffer {
  const body = Buffer.alloc(OPEN_AT.topic + open.topic.length)
  body.writeBigUInt64LE(open.segmentId, OPEN_AT.segmentId)
  writeUint64(body, open.createdMs, OPEN_AT.createdMs)
  if (open.previous === null) {
    body.fill(0xff, OPEN_AT.previousBaseOffset, OPEN_AT.previousEnd)
  } else {
    writeUint64(body, open.previous.baseOffset, OPEN_AT.previousBaseOffset)
    body.writeUInt32LE(open.previous.end, OPEN_AT.previousEnd)
    body.writeUInt32LE(open.previous.lastPosition, OPEN_AT.previousLastPosition)
    body.writeUInt32LE(open.previous.lastCrc, OPEN_AT.previousLastCrc)
  }
  body.writeUInt16LE(open.topic.length, OPEN_AT.topicLength)
  body.write(open.topic, OPEN_AT.topic, 'latin1')
  return body
}

/** Decodes the body of an OPEN frame whose checksum verified; null if it is not one. */
export function decodeOpenBody(body: Buffer): OpenBody | null {
  if (body.length < OPEN_AT.topic || body.length !== OPEN_AT.topic + body.readUInt16LE(OPEN_AT.topicLength)) return null
  const isFirst =
    body.readUInt32LE(OPEN_AT.previousBaseOffset) === NONE && body.readUInt32LE(OPEN_AT.previousBaseOffset + 4) === NONE
  return {
    segmentId: body.readBigUInt64LE(OPEN_AT.segmentId),
    createdMs: readUint64(body, OPEN_AT.createdMs),
    previous: isFirst
      ? null
      : {
          baseOffset: readUint64(body, OPEN_AT.previousBaseOffset),
          end: body.readUInt32LE(OPEN_AT.previousEnd),
          lastPosition: body.readUInt32LE(OPEN_AT.previousLastPosition),
          lastCrc: body.readUInt32LE(OPEN_AT.previousLastCrc),
        },
    topic: body.toString('latin1', OPEN_AT.topic),
  }
}

/** The first bytes of a segment, and the salt of its later frames. */
export function encodeSegmentHead(
  open: OpenBody,
  { partition, baseOffset }: { partition: number; baseOffset: number },
): { bytes: Buffer; salt: number } {
  const segmentHeader = encodeSegmentHeader({ topic: open.topic, partition })
  const headerSeed = checksum(segmentHeader)
  const body = encodeOpenBody(open)
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES + frameBytes(body.length))
  segmentHeader.copy(bytes)
  body.copy(bytes, SEGMENT_HEADER_BYTES + FRAME_HEADER_BYTES)
  const header = {
    type: FrameType.OPEN,
    attributes: 0,
    bodyLength: body.length,
    baseOffset,
    recordCount: 0,
    position: SEGMENT_HEADER_BYTES,
    durablePosition: 0,
    previousCrc: headerSeed,
    bodyCrc: checksum(body),
  }
  return { bytes, salt: encodeFrameHeader(header, bytes, { at: SEGMENT_HEADER_BYTES, salt: headerSeed }) }
}

/** Segment header and OPEN, both verified. */
export interface DecodedHead {
  readonly segment: SegmentHeader
  readonly frame: FrameHeader
  readonly open: OpenBody
}

/**
 * Why bytes are not the head of a segment, and where: they are damaged, or of a kind that this version does not know.
 */
export interface HeadFault {
  readonly kind: 'damaged' | 'unsupported'
  readonly from: number
  readonly to: number
  readonly reason: string
}

function damaged(reason: string, to: number): HeadFault {
  return { kind: 'damaged', from: 0, to, reason }
}

/**
 * Decodes the head of a segment from the first `MAX_HEAD_BYTES` of its file, or from the whole file if it is shorter.
 */
export function decodeSegmentHead(start: Buffer): DecodedHead | HeadFault {
  const at = SEGMENT_HEADER_BYTES
  const unsupported = (reason: string, from: number): HeadFault => ({
    kind: 'unsupported',
    from,
    to: start.length,
    reason,
  })
  const segment = decodeSegmentHeader(start)
  if (segment === null) return damaged('it does not begin with a segment header', at)
  if (segment.version !== FORMAT_VERSION) {
    return unsupported(`format version ${segment.version}; this version reads ${FORMAT_VERSION}`, 4)
  }
  const headerSeed = checksum(start.subarray(0, at))
  const frame = decodeFrameHeader(start, { at, position: at, salt: headerSeed })
  if (frame === null) return damaged('segment header and OPEN do not verify', start.length)
  const unknown = unknownInFrame(frame)
  if (unknown !== null) return unsupported(unknown, at)
  const end = frameEnd(frame)
  const isOpen = frame.type === FrameType.OPEN && frame.recordCount === 0 && frame.previousCrc === headerSeed
  if (!isOpen || end > start.length) return damaged('its first frame is not a whole OPEN', start.length)
  const bodyEnd = at + FRAME_HEADER_BYTES + frame.bodyLength
  const body = start.subarray(at + FRAME_HEADER_BYTES, bodyEnd)
  const open = checksum(body) === frame.bodyCrc ? decodeOpenBody(body) : null
  if (open === null || start.subarray(bodyEnd, end).some((byte) => byte !== 0)) {
    return damaged('the body of OPEN does not verify', end)
  }
  return { segment, frame, open }
}
