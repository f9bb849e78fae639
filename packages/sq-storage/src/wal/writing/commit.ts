/**
 * A commit: records that share one frame, encoded in the buffer that will be written, and the callers that wait for
 * them.
 */
import { invariant } from '../../errors.ts'
import { FRAME_HEADER_BYTES, frameBytes } from '../format/frame.ts'
import type { FrameHeader, FramePlace } from '../format/frame.ts'
import { RecordBuffer } from '../format/record.ts'
import type { CheckedRecord } from '../format/record.ts'
import { finishRecordsFrame } from '../format/records-frame.ts'
import type { RecordsFrame } from '../format/records-frame.ts'
import { changedPart } from './checked-record.ts'
import { largeBuffers } from './large-buffers.ts'

/** A commit keeps a buffer of up to this length for the next records. Longer buffers are shared by all commits. */
const MAX_OWN_BUFFER_BYTES = 1024 * 1024
const NO_BUFFER = new RecordBuffer(Buffer.alloc(0))

/** A caller that waits for an append or a batch. Neither function may throw. */
export interface Waiter {
  /** Called with the offset of the first record once it is durable. */
  readonly resolve: (offset: bigint) => void
  readonly reject: (error: unknown) => void
}

export class Commit implements RecordsFrame {
  #buffer = NO_BUFFER
  #end = FRAME_HEADER_BYTES
  /** Each with the index of its first record in the commit. */
  #waiters: { readonly index: number; readonly waiter: Waiter }[] = []
  recordCount = 0
  minTimestampMs: number = Number.MAX_SAFE_INTEGER
  maxTimestampMs = 0
  /** Whether another commit was being written when the first record of this one came. */
  grouped = false
  /** What the commit counts for in `maxPendingBytes`. */
  pendingBytes = 0

  /** The length of the frame if `more` bytes of records were added. */
  frameBytesWith(more: number): number {
    return frameBytes(this.#end - FRAME_HEADER_BYTES + more)
  }

  /**
   * Copies records of `bytes` encoded bytes in total. Throws a `BadPart`, with nothing added, if the length of a part
   * has changed since it was counted.
   */
  add(records: readonly CheckedRecord[], bytes: number, waiter: Waiter): void {
    this.#reserve(bytes)
    const index = this.recordCount
    let end = this.#end
    let nth = 0
    let { minTimestampMs, maxTimestampMs } = this
    for (const record of records) {
      end = this.#buffer.encode(record, end)
      if (end < 0) throw changedPart(record).of(nth)
      minTimestampMs = Math.min(minTimestampMs, record.timestampMs)
      maxTimestampMs = Math.max(maxTimestampMs, record.timestampMs)
      nth++
    }
    invariant(end === this.#end + bytes, 'the records take the bytes that were counted')
    this.#end = end
    this.minTimestampMs = minTimestampMs
    this.maxTimestampMs = maxTimestampMs
    this.recordCount += records.length
    this.#waiters.push({ index, waiter })
  }

  /** Encodes the frame for its place in a segment. The bytes belong to the commit until `recycle`. */
  encode(place: FramePlace): { bytes: Buffer; header: FrameHeader } {
    invariant(this.recordCount > 0, 'a commit that is written holds records')
    const bodyLength = this.#end - FRAME_HEADER_BYTES
    return finishRecordsFrame(this.#buffer.bytes, { bodyLength, recordCount: this.recordCount, place })
  }

  /** Tells every caller, in order, that its records are durable, from `baseOffset` on. */
  resolve(baseOffset: number): void {
    for (const { index, waiter } of this.#waiters) waiter.resolve(BigInt(baseOffset + index))
  }

  /** Tells every caller that its records are not in the log. */
  reject(error: unknown): void {
    for (const { waiter } of this.#waiters) waiter.reject(error)
  }

  /** Empties a settled commit for the next records. */
  recycle(): void {
    if (this.#buffer.bytes.length > MAX_OWN_BUFFER_BYTES) this.#replaceBuffer(NO_BUFFER)
    this.#end = FRAME_HEADER_BYTES
    this.#waiters = []
    this.recordCount = 0
    this.minTimestampMs = Number.MAX_SAFE_INTEGER
    this.maxTimestampMs = 0
    this.pendingBytes = 0
  }

  #reserve(bytes: number): void {
    const needed = this.frameBytesWith(bytes)
    const held = this.#buffer.bytes
    if (needed <= held.length) return
    const length = Math.max(needed, held.length * 2)
    const isLarge = length > MAX_OWN_BUFFER_BYTES
    const larger = isLarge ? largeBuffers.take(length) : new RecordBuffer(Buffer.allocUnsafeSlow(length))
    held.copy(larger.bytes, 0, 0, this.#end)
    this.#replaceBuffer(larger)
  }

  #replaceBuffer(buffer: RecordBuffer): void {
    if (this.#buffer.bytes.length > MAX_OWN_BUFFER_BYTES) largeBuffers.give(this.#buffer)
    this.#buffer = buffer
  }
}
