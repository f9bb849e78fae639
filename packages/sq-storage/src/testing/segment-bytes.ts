/** Segment files built frame by frame, including ones that no writer would write. */
import {
  checksum,
  encodeFrameHeader,
  FRAME_HEADER_BYTES,
  frameBytes,
  frameEnd,
  FrameType,
  nextOffsetAfter,
} from '../wal/format/frame.ts'
import type { FrameHeader, FramePlace } from '../wal/format/frame.ts'
import { encodeSegmentHead, segmentName } from '../wal/segment.ts'
import type { SegmentLink } from '../wal/segment.ts'
import { checkRecords } from '../wal/writing/checked-record.ts'
import { RecordBuffer } from '../wal/format/record.ts'
import type { RecordInput } from '../wal/format/record.ts'
import type { LocatedFrame } from '../wal/segments/segment-file.ts'
import { encodeSealBody, SummaryBuilder } from '../wal/format/seal.ts'
import { TIMESTAMP_MS } from './log-fixture.ts'

export class SegmentBytes {
  readonly baseOffset: number
  /** The frames after OPEN, in order. */
  readonly frames: FrameHeader[] = []
  readonly headBytes: number
  readonly salt: number
  readonly #summary = new SummaryBuilder()
  /** All bytes so far, and the bytes of frames that were added since they were joined. */
  #bytes: Buffer
  #added: Buffer[] = []
  #place: FramePlace
  #lastPosition = 32

  constructor(
    segment: {
      topic?: string
      partition?: number
      baseOffset?: number
      previous?: SegmentLink | null
      segmentId?: bigint
    } = {},
  ) {
    const { topic = 'orders', partition = 0, baseOffset = 0, previous = null, segmentId = 1n } = segment
    const { bytes, salt } = encodeSegmentHead(
      { segmentId, createdMs: TIMESTAMP_MS, previous, topic },
      { partition, baseOffset },
    )
    this.baseOffset = baseOffset
    this.headBytes = bytes.length
    this.salt = salt
    this.#bytes = bytes
    this.#place = { position: bytes.length, nextOffset: baseOffset, previousCrc: salt, salt }
  }

  get bytes(): Buffer {
    if (this.#added.length > 0) this.#bytes = Buffer.concat([this.#bytes, ...this.#added])
    this.#added = []
    return this.#bytes
  }

  /** The place after the last frame. */
  get place(): FramePlace {
    return this.#place
  }

  /** What a successor states about this segment. */
  get link(): SegmentLink {
    const { position, previousCrc } = this.#place
    return { baseOffset: this.baseOffset, end: position, lastPosition: this.#lastPosition, lastCrc: previousCrc }
  }

  /** One commit of records with these values. */
  records(...values: (string | Uint8Array)[]): this {
    return this.write(values)
  }

  /** One commit of several frames, each with records with these values. */
  write(...frames: readonly (readonly (string | Uint8Array)[])[]): this {
    const durablePosition = this.#place.position
    for (const values of frames) this.commit(values.map(recordWith), { durablePosition })
    return this
  }

  commit(inputs: readonly RecordInput[], { durablePosition = this.#place.position } = {}): this {
    const records = checkRecords(inputs)
    const timestampsMs = records.map(({ timestampMs }) => timestampMs)
    const body = Buffer.alloc(records.reduce((sum, { encodedBytes }) => sum + encodedBytes, 0))
    const target = new RecordBuffer(body)
    let at = 0
    for (const record of records) at = target.encode(record, at)
    this.#summary.add({
      offsetDelta: this.#place.nextOffset - this.baseOffset,
      position: this.#place.position,
      recordCount: records.length,
      minTimestampMs: Math.min(...timestampsMs),
      maxTimestampMs: Math.max(...timestampsMs),
    })
    return this.frame({ type: FrameType.RECORDS, recordCount: records.length, durablePosition }, body)
  }

  /** A MARK with a body of this number of zeros. As the second of a pair, it vouches for what is before the first. */
  mark(bodyBytes = 0, durablePosition: number = this.#place.position): this {
    return this.frame({ type: FrameType.MARK, durablePosition }, Buffer.alloc(bodyBytes))
  }

  /** A SEAL after a MARK, as a writer ends a segment, but closer together. */
  seal(): this {
    const durablePosition = this.#place.position
    return this.mark().frame(
      { type: FrameType.SEAL, durablePosition },
      encodeSealBody(this.#summary, this.#place.position),
    )
  }

  /** Any frame; fields that are not given have the right values. */
  frame(fields: { type: number } & Partial<FrameHeader>, body: Buffer): this {
    const at = this.#place.position
    const header = {
      bodyLength: body.length,
      baseOffset: this.#place.nextOffset,
      recordCount: 0,
      position: this.#place.position,
      durablePosition: this.#place.position,
      previousCrc: this.#place.previousCrc,
      bodyCrc: checksum(body),
      attributes: 0,
      ...fields,
    }
    const bytes = Buffer.alloc(frameBytes(body.length))
    body.copy(bytes, FRAME_HEADER_BYTES)
    encodeFrameHeader(header, bytes, { at: 0, salt: this.salt })
    bytes[3] = header.attributes
    const headerCrc = checksum(bytes.subarray(0, 36), this.salt)
    bytes.writeUInt32LE(headerCrc, 36)
    this.frames.push({ ...header, headerCrc })
    this.#lastPosition = at
    this.#added.push(bytes)
    this.#place = {
      position: at + bytes.length,
      nextOffset: nextOffsetAfter({ ...header, headerCrc }),
      previousCrc: headerCrc,
      salt: this.salt,
    }
    return this
  }

  /** The header of a frame after OPEN. */
  at(index: number): FrameHeader {
    const header = this.frames.at(index)
    if (header === undefined) throw new RangeError(`there is no frame ${index}`)
    return header
  }

  /** The same frame as a reader finds it. */
  located(index: number): LocatedFrame {
    const { baseOffset, salt } = this
    const header = this.at(index)
    const bytes = this.bytes.subarray(header.position, frameEnd(header))
    const body = bytes.subarray(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + header.bodyLength)
    return { segment: { path: `/${segmentName(baseOffset)}`, baseOffset, salt }, frame: { header, body, bytes } }
  }
}

function recordWith(value: string | Uint8Array): RecordInput {
  return { key: null, value: Buffer.from(value), headers: [], timestampMs: TIMESTAMP_MS }
}
