/** Checks batches that are already encoded, usually by the writer of another log, before they are appended. */
import { show } from '../../config.ts'
import { OffsetMismatchError } from '../../errors.ts'
import { frameBytes } from '../format/frame.ts'
import { RecordBatch } from '../format/record-batch.ts'
import type { EncodedBatch } from '../format/record-batch.ts'
import type { EncodedBody } from './commit.ts'

/** Batches that follow each other without a gap. */
export interface CheckedBatches {
  readonly baseOffset: number
  /** The offset after the last batch. */
  readonly nextOffset: number
  readonly bodies: readonly CheckedBody[]
  /** The bytes that they take in a segment. */
  readonly encodedBytes: number
  /** The bytes of the bodies alone. */
  readonly bodyBytes: number
}

interface CheckedBody extends EncodedBody {
  /** The checksum that was stated with the bytes. */
  readonly checksum: number
}

/**
 * Checks everything about batches but the place where they are appended. Throws a `TypeError` or `RangeError` for what
 * is not a batch, and an `OffsetMismatchError` if one does not begin where the one before it ends. `path` is the
 * directory of the log.
 */
export function checkBatches(batches: readonly EncodedBatch[], path: string): CheckedBatches {
  if (!Array.isArray(batches)) throw new TypeError(`batches must be an array of batches, not ${show(batches)}`)
  const bodies: CheckedBody[] = []
  let first: bigint | null = null
  let next = 0n
  let [encodedBytes, bodyBytes] = [0, 0]
  for (const given of Array.from<EncodedBatch>(batches)) {
    const batch = given instanceof RecordBatch ? given : RecordBatch.from(given)
    if (first !== null && batch.baseOffset !== next) {
      throw new OffsetMismatchError({ path, expected: next, found: batch.baseOffset })
    }
    first ??= batch.baseOffset
    next = batch.nextOffset
    bodies.push(bodyOf(batch))
    encodedBytes += frameBytes(batch.bytes.length)
    bodyBytes += batch.bytes.length
  }
  if (first === null) throw new RangeError('batches must hold at least one batch')
  return { baseOffset: Number(first), nextOffset: Number(next), bodies, encodedBytes, bodyBytes }
}

function bodyOf(batch: RecordBatch): CheckedBody {
  const { bytes, attributes, recordCount, checksum } = batch
  const times = batch.checkedTimes()
  if (times === null) {
    const what = `the bytes of the batch at offset ${batch.baseOffset}`
    throw new RangeError(`${what} do not hold exactly ${recordCount} records`)
  }
  const { minTimestampMs, maxTimestampMs } = times
  return { bytes, attributes, recordCount, checksum, minTimestampMs, maxTimestampMs }
}
