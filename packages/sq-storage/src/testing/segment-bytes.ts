/** Segment files built frame by frame, including ones that no writer would write. */
import { ManualClock } from '@sq/sim'
import { encodeLead, leadBytes } from '../wal/format/batch-body.ts'
import type { TimeRange } from '../wal/format/batch-body.ts'
import {
  Attribute,
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

interface CommitFields {
  metadata?: string | null
  durablePosition?: number
}

interface BatchFields extends CommitFields {
  /** The timestamp of all records, or one for each. */
  timestampMs?: number
  timestampsMs?: readonly number[]
}

interface OpaqueFields extends Partial<TimeRange> {
  recordCount?: number
  metadata?: string | null
}

export class SegmentBytes {
  readonly baseOffset: number
  /** The frames after OPEN, in order. */
  readonly frames: FrameHeader[] = []
  readonly headBytes: number
  readonly salt: number
  readonly #summary = new SummaryBuilder()
  /** The joined bytes, and the bytes of frames that were added after the last join. */
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

  /** One commit of records with these values; null is a record without a value. */
  records(...values: (string | Uint8Array | null)[]): this {
    return this.batch(values)
  }

  /** One commit of several frames, each with records with these values. */
  write(...frames: readonly (readonly (string | Uint8Array)[])[]): this {
    const durablePosition = this.#place.position
    for (const values of frames) this.batch(values, { durablePosition })
    return this
  }

  /** A frame of records with these values, with metadata or at other times. */
  batch(
    values: readonly (string | Uint8Array | null)[],
    { timestampMs = TIMESTAMP_MS, timestampsMs = values.map(() => timestampMs), ...fields }: BatchFields = {},
  ): this {
    const inputs = values.map((value, at) => ({
      key: null,
      value: value === null ? null : Buffer.from(value),
      headers: [],
      timestampMs: timestampsMs[at] ?? timestampMs,
    }))
    return this.commit(inputs, fields)
  }

  commit(
    inputs: readonly RecordInput[],
    { metadata = null, durablePosition = this.#place.position }: CommitFields = {},
  ): this {
    const records = checkRecords(inputs, new ManualClock())
    const timestampsMs = records.map(({ timestampMs }) => timestampMs)
    const lead = this.#lead(metadata, null)
    const body = Buffer.alloc(lead.length + records.reduce((sum, { encodedBytes }) => sum + encodedBytes, 0))
    const target = new RecordBuffer(body)
    lead.copy(body)
    let at = lead.length
    for (const record of records) at = target.encode(record, at)
    const hasNull = records.some(({ value }) => value === null)
    const attributes = (metadata === null ? 0 : Attribute.METADATA) | (hasNull ? Attribute.NULL_VALUES : 0)
    const times = { minTimestampMs: Math.min(...timestampsMs), maxTimestampMs: Math.max(...timestampsMs) }
    return this.#content({ attributes, recordCount: records.length, durablePosition }, body, times)
  }

  /** An opaque batch. */
  opaque(
    payload: string,
    {
      recordCount = 1,
      metadata = null,
      minTimestampMs = TIMESTAMP_MS,
      maxTimestampMs = minTimestampMs,
    }: OpaqueFields = {},
  ): this {
    const times = { minTimestampMs, maxTimestampMs }
    const body = Buffer.concat([this.#lead(metadata, times), Buffer.from(payload)])
    const attributes = Attribute.OPAQUE | (metadata === null ? 0 : Attribute.METADATA)
    return this.#content({ attributes, recordCount }, body, times)
  }

  #lead(metadata: string | null, times: TimeRange | null): Buffer {
    const given = metadata === null ? null : Buffer.from(metadata)
    const lead = Buffer.alloc(leadBytes({ metadata: given, isOpaque: times !== null }))
    encodeLead({ metadata: given, times }, lead, 0)
    return lead
  }

  #content(
    fields: { attributes: number; recordCount: number; durablePosition?: number },
    body: Buffer,
    times: TimeRange,
  ): this {
    this.#summary.add({
      offsetDelta: this.#place.nextOffset - this.baseOffset,
      position: this.#place.position,
      recordCount: fields.recordCount,
      ...times,
    })
    return this.frame({ type: FrameType.RECORDS, ...fields }, body)
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
    const headerCrc = encodeFrameHeader(header, bytes, { at: 0, salt: this.salt })
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
