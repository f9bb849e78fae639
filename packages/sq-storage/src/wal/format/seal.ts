/**
 * The end of a segment: SEAL, which ends it for good and carries a sparse index, or MARK, after which it may continue.
 * Either follows a MARK that is padded to the next 4 KiB boundary, in the same write, and vouches for everything before
 * that MARK. So one damaged sector cannot destroy both the last commit and the evidence that it was durable.
 *
 * ```
 *  the body of SEAL:
 *  0                  8                  16                              length - 8             length
 *  +------------------+------------------+-------------------------------+----------+-----------+
 *  | minTimestampMs   | maxTimestampMs   | index entries, 16 bytes each  | position | "SQIX"    |
 *  +------------------+------------------+-------------------------------+----------+-----------+
 *  an entry:  | offsetDelta u32 | position u32 | maxTimestampMs u64, of all records before this position |
 * ```
 *
 * The position in its last 8 bytes is that of the SEAL, so that the index can be found from the end of the segment.
 */
import { checksum, encodeFrameHeader, FRAME_HEADER_BYTES, FrameType } from './frame.ts'
import type { Frame, FramePlace } from './frame.ts'
import { readUint64, writeUint64 } from './integers.ts'

/** The distance between two index entries, for readers that seek. */
const INDEX_INTERVAL_BYTES = 64 * 1024
/** No usual device has both sides of such a boundary in one physical sector. */
const MARK_BOUNDARY_BYTES = 4096
/** `SQIX` */
const INDEX_MAGIC = 0x5849_5153

const AT = { minTimestampMs: 0, maxTimestampMs: 8, entries: 16 } as const
const ENTRY_AT = { offsetDelta: 0, position: 4, maxTimestampMs: 8 } as const
const ENTRY_BYTES = 16
/** The last bytes of a SEAL, which state its position. */
const TRAILER_BYTES = 8

/** An entry of the sparse index in a SEAL: where reading may begin to find an offset or a time. */
export interface IndexEntry {
  /** Offset of the first record of the frame, minus the base offset of the segment. */
  readonly offsetDelta: number
  /** Position of a RECORDS frame. */
  readonly position: number
  /** The largest timestamp of the records before this position, in milliseconds since 1970. */
  readonly maxTimestampMs: number
}

/** What a SEAL states about the records of its segment. */
export interface SegmentSummary {
  readonly minTimestampMs: number
  readonly maxTimestampMs: number
  readonly index: readonly IndexEntry[]
}

/** Builds the summary of a segment frame by frame: while it is written, and with the same result when it is scanned. */
export class SummaryBuilder implements SegmentSummary {
  records = 0
  minTimestampMs: number = Number.MAX_SAFE_INTEGER
  maxTimestampMs = 0
  readonly index: IndexEntry[] = []
  #lastIndexed = 0

  /** Adds one RECORDS frame; `offsetDelta` as in `IndexEntry`. */
  add(frame: {
    offsetDelta: number
    position: number
    recordCount: number
    minTimestampMs: number
    maxTimestampMs: number
  }): void {
    const { offsetDelta, position } = frame
    if (position - this.#lastIndexed >= INDEX_INTERVAL_BYTES) {
      this.index.push({ offsetDelta, position, maxTimestampMs: this.maxTimestampMs })
      this.#lastIndexed = position
    }
    this.records += frame.recordCount
    this.minTimestampMs = Math.min(this.minTimestampMs, frame.minTimestampMs)
    this.maxTimestampMs = Math.max(this.maxTimestampMs, frame.maxTimestampMs)
  }
}

/** Encodes the body of the SEAL at a position. */
export function encodeSealBody(summary: SegmentSummary, position: number): Buffer {
  const body = Buffer.alloc(AT.entries + summary.index.length * ENTRY_BYTES + TRAILER_BYTES)
  writeUint64(body, summary.minTimestampMs, AT.minTimestampMs)
  writeUint64(body, summary.maxTimestampMs, AT.maxTimestampMs)
  let at: number = AT.entries
  for (const entry of summary.index) {
    body.writeUInt32LE(entry.offsetDelta, at + ENTRY_AT.offsetDelta)
    body.writeUInt32LE(entry.position, at + ENTRY_AT.position)
    writeUint64(body, entry.maxTimestampMs, at + ENTRY_AT.maxTimestampMs)
    at += ENTRY_BYTES
  }
  body.writeUInt32LE(position, at)
  body.writeUInt32LE(INDEX_MAGIC, at + 4)
  return body
}

/**
 * Decodes the body of the SEAL at a position; null if it is not one. An index has at most one entry for every 64 KiB
 * before the SEAL: with more entries it is not an index, and nothing is allocated for it.
 */
export function decodeSealBody(body: Buffer, position: number): SegmentSummary | null {
  const trailer = body.length - TRAILER_BYTES
  const indexBytes = trailer - AT.entries
  const maxIndexBytes = Math.floor(position / INDEX_INTERVAL_BYTES) * ENTRY_BYTES
  if (indexBytes < 0 || indexBytes > maxIndexBytes || indexBytes % ENTRY_BYTES !== 0) return null
  if (body.readUInt32LE(trailer) !== position || body.readUInt32LE(trailer + 4) !== INDEX_MAGIC) return null
  const index: IndexEntry[] = []
  for (let at: number = AT.entries; at < trailer; at += ENTRY_BYTES) {
    index.push({
      offsetDelta: body.readUInt32LE(at + ENTRY_AT.offsetDelta),
      position: body.readUInt32LE(at + ENTRY_AT.position),
      maxTimestampMs: readUint64(body, at + ENTRY_AT.maxTimestampMs),
    })
  }
  return {
    minTimestampMs: readUint64(body, AT.minTimestampMs),
    maxTimestampMs: readUint64(body, AT.maxTimestampMs),
    index,
  }
}

/** The position of the SEAL that a segment with these last bytes may end with; null if it ends with none. */
export function sealPosition(tail: Buffer): number | null {
  const trailer = tail.length - TRAILER_BYTES
  return trailer >= 0 && tail.readUInt32LE(trailer + 4) === INDEX_MAGIC ? tail.readUInt32LE(trailer) : null
}

/** A SEAL at a place, for the records that `summary` describes. */
export function encodeSeal(
  place: FramePlace,
  summary: SegmentSummary,
  { durablePosition }: { durablePosition: number },
): Frame {
  return encodeEmptyFrame(place, {
    type: FrameType.SEAL,
    body: encodeSealBody(summary, place.position),
    durablePosition,
  })
}

/** The bytes that end a segment at a place: a padded MARK, then a second MARK or, with a summary, a SEAL. */
export function encodeEnding(
  place: FramePlace,
  summary: SegmentSummary | null,
): { bytes: Buffer; lastPosition: number; lastCrc: number } {
  const durablePosition = place.position
  const boundary = Math.ceil((place.position + FRAME_HEADER_BYTES) / MARK_BOUNDARY_BYTES) * MARK_BOUNDARY_BYTES
  const padding = Buffer.alloc(boundary - place.position - FRAME_HEADER_BYTES)
  const first = encodeEmptyFrame(place, { type: FrameType.MARK, body: padding, durablePosition })
  const next = { ...place, position: boundary, previousCrc: first.header.headerCrc }
  const second =
    summary === null
      ? encodeEmptyFrame(next, { type: FrameType.MARK, body: Buffer.alloc(0), durablePosition })
      : encodeSeal(next, summary, { durablePosition })
  const bytes = Buffer.concat([first.bytes, second.bytes])
  return { bytes, lastPosition: boundary, lastCrc: second.header.headerCrc }
}

/** A frame without records. The bodies of MARK and SEAL are multiples of 8 bytes, so it needs no padding. */
function encodeEmptyFrame(place: FramePlace, frame: { type: number; body: Buffer; durablePosition: number }): Frame {
  const { type, body, durablePosition } = frame
  const bytes = Buffer.concat([Buffer.alloc(FRAME_HEADER_BYTES), body])
  const header = {
    type,
    attributes: 0,
    bodyLength: body.length,
    baseOffset: place.nextOffset,
    recordCount: 0,
    position: place.position,
    durablePosition,
    previousCrc: place.previousCrc,
    bodyCrc: checksum(body),
  }
  const headerCrc = encodeFrameHeader(header, bytes, { at: 0, salt: place.salt })
  return { header: { ...header, headerCrc }, body, bytes }
}
