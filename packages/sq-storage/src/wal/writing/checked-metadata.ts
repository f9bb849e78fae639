/** Checks what belongs to a batch as a whole before it is appended: metadata, and the parts of an opaque batch. */
import { isUint8Array } from 'node:util/types'
import { show } from '../../config.ts'
import type { ResolvedWalConfig } from '../../config.ts'
import { encodeLead, leadBytes, MAX_METADATA_BYTES } from '../format/batch-body.ts'
import { Attribute, MAX_RECORDS_BYTES } from '../format/frame.ts'
import { bytesIn, heldBytes, isDetached } from '../format/given-bytes.ts'
import type { EncodedBody } from './commit.ts'

/** What can be kept with a batch of records. */
export interface BatchOptions {
  /**
   * Bytes that belong to the batch, 1 to 65,536: for example the producer's id, epoch and sequence. The log keeps and
   * returns them, and does not look into them.
   */
  readonly metadata?: Uint8Array | null | undefined
}

/** A batch whose records only its producer can read, for example because it is compressed. */
export interface OpaqueBatch extends BatchOptions {
  /** Any bytes, at most `maxBatchBytes`. */
  readonly payload: Uint8Array
  /** The number of offsets that it takes: 1 to 2^32 - 1. */
  readonly recordCount: number
  /** The smallest and the largest timestamp of its records, in milliseconds since 1970. */
  readonly minTimestampMs: number
  readonly maxTimestampMs: number
}

/** The metadata of a batch; null if there is none. Throws a `TypeError` or `RangeError`. */
export function checkMetadata(options: BatchOptions): Uint8Array | null {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`the options of a batch must be an object, not ${show(options)}`)
  }
  const { metadata = null } = options
  if (metadata === null) return null
  const bytes = checkBytes('metadata', metadata)
  if (bytes.length === 0 || bytes.length > MAX_METADATA_BYTES) {
    throw new RangeError(`metadata must have 1 to ${MAX_METADATA_BYTES} bytes: ${bytes.length}`)
  }
  return bytes
}

/** The body of an opaque batch. Throws a `TypeError` or `RangeError` that names the field. */
export function checkOpaque(
  batch: OpaqueBatch,
  { maxBatchBytes, maxTimestampAheadMs }: Pick<ResolvedWalConfig, 'maxBatchBytes' | 'maxTimestampAheadMs'>,
  latestMs: number,
): EncodedBody {
  const metadata = checkMetadata(batch)
  const { payload: given, recordCount, minTimestampMs, maxTimestampMs } = batch
  checkWhole('recordCount', recordCount, { from: 1, to: 0xffff_ffff })
  checkWhole('minTimestampMs', minTimestampMs, { from: 0, to: Number.MAX_SAFE_INTEGER })
  checkWhole('maxTimestampMs', maxTimestampMs, { from: minTimestampMs, to: Number.MAX_SAFE_INTEGER })
  if (maxTimestampMs > latestMs) {
    const limit = `must be at most ${latestMs}, maxTimestampAheadMs (${maxTimestampAheadMs}) after the clock`
    throw new RangeError(`maxTimestampMs ${limit}: ${maxTimestampMs}`)
  }
  const payload = checkBytes('payload', given)
  if (payload.length > maxBatchBytes) {
    throw new RangeError(`the payload has ${payload.length} bytes, maxBatchBytes is ${maxBatchBytes}`)
  }
  const lead = leadBytes({ metadata, isOpaque: true })
  checkBodyBytes(lead + payload.length)
  const bytes = Buffer.allocUnsafe(lead + payload.length)
  encodeLead({ metadata, times: { minTimestampMs, maxTimestampMs } }, bytes, 0)
  payload.copy(bytes, lead)
  const attributes = Attribute.OPAQUE | (metadata === null ? 0 : Attribute.METADATA)
  return { bytes, attributes, recordCount, minTimestampMs, maxTimestampMs }
}

/** Throws a `RangeError` for a body that the format does not allow. */
export function checkBodyBytes(bytes: number): void {
  if (bytes > MAX_RECORDS_BYTES) {
    throw new RangeError(`the batch takes ${bytes} bytes with its metadata, the most is ${MAX_RECORDS_BYTES}`)
  }
}

function checkBytes(field: 'metadata' | 'payload', value: unknown): Buffer {
  if (!isUint8Array(value)) throw new TypeError(`${field} must be a Uint8Array, not ${show(value)}`)
  if (bytesIn(value) === 0 && isDetached(value)) {
    throw new TypeError(`${field} must be in memory that was not transferred or shrunk`)
  }
  return heldBytes(value)
}

function checkWhole(field: string, value: unknown, { from, to }: { from: number; to: number }): void {
  if (typeof value !== 'number') throw new TypeError(`${field} must be a number, not ${show(value)}`)
  if (!Number.isSafeInteger(value) || value < from || value > to) {
    throw new RangeError(`${field} must be a whole number from ${from} to ${to}: ${value}`)
  }
}
