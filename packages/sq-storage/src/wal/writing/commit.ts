/**
 * A commit: records that become durable by one write, encoded in the buffer that will be written, and the callers that
 * wait for them. Single records and batches of records share one frame. An encoded batch gets a frame of its own.
 */
import { invariant } from '../../errors.ts'
import { encodeLead, leadBytes } from '../format/batch-body.ts'
import { Attribute, checksum, FRAME_HEADER_BYTES, frameBytes } from '../format/frame.ts'
import type { FramePlace } from '../format/frame.ts'
import { RecordBuffer } from '../format/record.ts'
import type { CheckedRecord } from '../format/record.ts'
import { finishRecordsFrames } from '../format/records-frame.ts'
import type { EncodedFrames, FrameDraft, RecordsWrite } from '../format/records-frame.ts'
import { changedPart } from './checked-record.ts'
import { writeBuffers } from './write-buffers.ts'

const NO_BUFFER = new RecordBuffer(Buffer.alloc(0))
const NO_LEAD = new Uint8Array(0)

/** A caller that waits for an append or a batch. Neither function may throw. */
export interface Waiter {
  /** Called with the offset of the first record once it is durable. */
  readonly resolve: (offset: bigint) => void
  readonly reject: (error: unknown) => void
}

/** The body of a RECORDS frame, and what the segment's summary needs of it. */
export interface EncodedBody extends Omit<FrameDraft, 'bodyLength' | 'bodyCrc'> {
  /** The beginning of the body, if it is in a different place than the rest. */
  readonly lead?: Uint8Array
  readonly bytes: Uint8Array
}

export class Commit implements RecordsWrite {
  #buffer = NO_BUFFER
  /** The frames before the one that takes records. */
  #finished: FrameDraft[] = []
  /** Where the frame that takes records begins, and where its records end. It has no records at first. */
  #start = 0
  #end = FRAME_HEADER_BYTES
  #openRecords = 0
  #attributes = 0
  #minTimestampMs: number = Number.MAX_SAFE_INTEGER
  #maxTimestampMs = 0
  /** Each caller with the index, in the commit, of its first record. */
  #waiters: { readonly index: number; readonly waiter: Waiter }[] = []
  recordCount = 0
  /** Whether another commit was being written when the first record of this one came. */
  grouped = false
  /** What the commit counts for in `maxPendingBytes`. */
  pendingBytes = 0
  /** Where its records must begin, and the append that they are part of; null if any offset is right. */
  stated: { readonly baseOffset: number; readonly append: object } | null = null
  readonly #expectedBytes: number

  /** `expectedBytes` is how long it will probably become. */
  constructor(expectedBytes = 0) {
    this.#expectedBytes = expectedBytes
  }

  /** The length of its frames. */
  get bytes(): number {
    return this.#openRecords > 0 ? this.bytesWith(0) : this.#start
  }

  /** The length of its frames if `more` bytes of records were added. */
  bytesWith(more: number): number {
    return this.#start + frameBytes(this.#end - this.#start - FRAME_HEADER_BYTES + more)
  }

  /**
   * Copies records of `bytes` encoded bytes in total. Throws a `BadPart`, with nothing added, if the length of a part
   * has changed since it was counted.
   */
  add(records: readonly CheckedRecord[], bytes: number, waiter: Waiter): void {
    this.#reserve(this.bytesWith(bytes))
    const index = this.recordCount
    let end = this.#end
    let nth = 0
    let attributes = this.#attributes
    let minTimestampMs = this.#minTimestampMs
    let maxTimestampMs = this.#maxTimestampMs
    for (const record of records) {
      end = this.#buffer.encode(record, end)
      if (end < 0) throw changedPart(record).of(nth)
      if (record.value === null) attributes |= Attribute.NULL_VALUES
      minTimestampMs = Math.min(minTimestampMs, record.timestampMs)
      maxTimestampMs = Math.max(maxTimestampMs, record.timestampMs)
      nth++
    }
    invariant(end === this.#end + bytes, 'the records take the bytes that were counted')
    this.#end = end
    this.#attributes = attributes
    this.#minTimestampMs = minTimestampMs
    this.#maxTimestampMs = maxTimestampMs
    this.#openRecords += records.length
    this.recordCount += records.length
    this.#waiters.push({ index, waiter })
  }

  /** The same with metadata, as a frame of its own. */
  addWithMetadata(records: readonly CheckedRecord[], bytes: number, metadata: Uint8Array, waiter: Waiter): void {
    this.#finishFrame()
    const lead = leadBytes({ metadata, isOpaque: false })
    this.#reserve(this.bytesWith(lead + bytes))
    this.#end = encodeLead({ metadata, times: null }, this.#buffer.bytes, this.#end)
    try {
      this.add(records, bytes, waiter)
    } catch (error) {
      this.#openAt(this.#start)
      throw error
    }
    this.#attributes |= Attribute.METADATA
    this.#finishFrame()
  }

  /**
   * Copies a body as a frame of its own. Returns the checksum of the copy, since the bytes may have changed after they
   * were checked.
   */
  addBody({ lead = NO_LEAD, bytes, attributes, recordCount, minTimestampMs, maxTimestampMs }: EncodedBody): number {
    this.#finishFrame()
    const start = this.#start + FRAME_HEADER_BYTES
    const bodyLength = lead.length + bytes.length
    this.#reserve(this.bytesWith(bodyLength))
    this.#buffer.bytes.set(lead, start)
    this.#buffer.bytes.set(bytes, start + lead.length)
    const bodyCrc = checksum(this.#buffer.bytes.subarray(start, start + bodyLength))
    this.#finish({ attributes, bodyLength, bodyCrc, recordCount, minTimestampMs, maxTimestampMs })
    this.recordCount += recordCount
    return bodyCrc
  }

  /**
   * Adds a caller that waits for the last `records` records so far, and gets the offset of the first of them. More than
   * the commit holds: the others are in the commits before this one.
   */
  addWaiter(waiter: Waiter, records: number): void {
    this.#waiters.push({ index: this.recordCount - records, waiter })
  }

  /** Encodes the frames for their place in a segment. The bytes belong to the commit until `release`. */
  encode(place: FramePlace): EncodedFrames {
    this.#finishFrame()
    invariant(this.recordCount > 0, 'a commit that is written holds records')
    return finishRecordsFrames(this.#buffer.bytes, this.#finished, place)
  }

  /** The next record begins a new frame. */
  #finishFrame(): void {
    if (this.#openRecords === 0) return
    this.#finish({
      attributes: this.#attributes,
      bodyLength: this.#end - this.#start - FRAME_HEADER_BYTES,
      bodyCrc: null,
      recordCount: this.#openRecords,
      minTimestampMs: this.#minTimestampMs,
      maxTimestampMs: this.#maxTimestampMs,
    })
  }

  #finish(frame: FrameDraft): void {
    this.#finished.push(frame)
    this.#openAt(this.#start + frameBytes(frame.bodyLength))
  }

  #openAt(start: number): void {
    this.#start = start
    this.#end = start + FRAME_HEADER_BYTES
    this.#openRecords = 0
    this.#attributes = 0
    this.#minTimestampMs = Number.MAX_SAFE_INTEGER
    this.#maxTimestampMs = 0
  }

  /** Resolves every caller, in order, with its offset. The first record has `baseOffset`. */
  resolve(baseOffset: number): void {
    for (const { index, waiter } of this.#waiters) waiter.resolve(BigInt(baseOffset + index))
  }

  /** Rejects every caller. */
  reject(error: unknown): void {
    for (const { waiter } of this.#waiters) waiter.reject(error)
  }

  /** Gives back the buffer of a settled commit, which must not be used any more. */
  release(): void {
    this.#replaceBuffer(NO_BUFFER)
  }

  #reserve(needed: number): void {
    const held = this.#buffer.bytes
    if (needed <= held.length) return
    const larger = writeBuffers.take(Math.max(needed, held.length * 2), this.#expectedBytes)
    held.copy(larger.bytes, 0, 0, this.#end)
    this.#replaceBuffer(larger)
  }

  #replaceBuffer(buffer: RecordBuffer): void {
    if (this.#buffer !== NO_BUFFER) writeBuffers.give(this.#buffer)
    this.#buffer = buffer
  }
}
