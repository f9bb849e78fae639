/** Checks what belongs to a batch as a whole before it is appended: metadata, and the parts of an opaque batch. */
import { isUint8Array } from 'node:util/types'
import { checkOptions, show } from '../../config.ts'
import type { ResolvedWalConfig } from '../../config.ts'
import { encodeLead, leadBytes, MAX_METADATA_BYTES } from '../format/batch-body.ts'
import { Attribute, MAX_RECORDS_BYTES } from '../format/frame.ts'
import { bytesIn, heldBytes, isDetached } from '../format/given-bytes.ts'
import { BadPart } from './bad-record.ts'
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

const OPTIONS: ReadonlySet<string> = new Set<keyof BatchOptions>(['metadata'])

const FIELDS: ReadonlySet<string> = new Set<keyof OpaqueBatch>([
  'payload',
  'recordCount',
  'minTimestampMs',
  'maxTimestampMs',
  'metadata',
])

/** Checks the options of `appendBatch`. Throws a `TypeError`, or a `BadPart` for bad metadata. */
export function checkBatchOptions(options: BatchOptions): Uint8Array | null {
  checkOptions('appendBatch', options, OPTIONS)
  return checkMetadata(options)
}

/** The metadata of a batch; null if there is none. Throws a `BadPart`. */
function checkMetadata({ metadata = null }: BatchOptions): Uint8Array | null {
  if (metadata === null) return null
  const bytes = checkBytes('metadata', metadata)
  if (bytes.length === 0 || bytes.length > MAX_METADATA_BYTES) {
    throw bad(RangeError, 'metadata', `must have 1 to ${MAX_METADATA_BYTES} bytes: ${bytes.length}`)
  }
  return bytes
}

/** The body of an opaque batch; its payload is not copied. Throws a `BadPart`. */
export function checkOpaque(
  batch: OpaqueBatch,
  { maxBatchBytes, maxTimestampAheadMs }: Pick<ResolvedWalConfig, 'maxBatchBytes' | 'maxTimestampAheadMs'>,
  latestMs: number,
): Required<EncodedBody> {
  if (typeof batch !== 'object' || batch === null) {
    throw bad(TypeError, null, `an opaque batch must be an object, not ${show(batch)}`)
  }
  for (const field of Object.keys(batch)) {
    if (!FIELDS.has(field))
      throw new BadPart(TypeError, field, 'is not a field of an opaque batch', show(field)).of(null)
  }
  const metadata = checkMetadata(batch)
  const { payload: given, recordCount, minTimestampMs, maxTimestampMs } = batch
  checkWhole('recordCount', recordCount, { from: 1, to: 0xffff_ffff })
  checkWhole('minTimestampMs', minTimestampMs, { from: 0, to: Number.MAX_SAFE_INTEGER })
  checkWhole('maxTimestampMs', maxTimestampMs, { from: minTimestampMs, to: Number.MAX_SAFE_INTEGER })
  if (maxTimestampMs > latestMs) {
    const limit = `must be at most ${latestMs}, maxTimestampAheadMs (${maxTimestampAheadMs}) after the clock`
    throw bad(RangeError, 'maxTimestampMs', `${limit}: ${maxTimestampMs}`)
  }
  const payload = checkBytes('payload', given)
  if (payload.length > maxBatchBytes) {
    throw bad(RangeError, 'payload', `has ${payload.length} bytes, maxBatchBytes is ${maxBatchBytes}`)
  }
  const lead = Buffer.allocUnsafe(leadBytes({ metadata, isOpaque: true }))
  checkBodyBytes(lead.length + payload.length)
  encodeLead({ metadata, times: { minTimestampMs, maxTimestampMs } }, lead, 0)
  const attributes = Attribute.OPAQUE | (metadata === null ? 0 : Attribute.METADATA)
  return { lead, bytes: payload, attributes, recordCount, minTimestampMs, maxTimestampMs }
}

/** Throws a `BadPart` for a body that the format does not allow. */
export function checkBodyBytes(bytes: number): void {
  if (bytes > MAX_RECORDS_BYTES) {
    throw bad(RangeError, null, `the batch takes ${bytes} bytes with its metadata, the most is ${MAX_RECORDS_BYTES}`)
  }
}

function checkBytes(field: 'metadata' | 'payload', value: unknown): Buffer {
  if (!isUint8Array(value)) throw bad(TypeError, field, `must be a Uint8Array, not ${show(value)}`)
  if (bytesIn(value) === 0 && isDetached(value)) {
    throw bad(TypeError, field, 'must be in memory that was not transferred or shrunk')
  }
  return heldBytes(value)
}

function checkWhole(field: string, value: unknown, { from, to }: { from: number; to: number }): void {
  if (typeof value !== 'number') throw bad(TypeError, field, `must be a number, not ${show(value)}`)
  if (!Number.isSafeInteger(value) || value < from || value > to) {
    throw bad(RangeError, field, `must be a whole number from ${from} to ${to}: ${value}`)
  }
}

/** The error for a field of a batch, or for the batch as a whole. */
function bad(kind: typeof TypeError | typeof RangeError, field: string | null, what: string): BadPart {
  return new BadPart(kind, field, what).of(null)
}
