/** A commit as it is in the log: pass it on whole, or decode its records. */
import { isUint8Array } from 'node:util/types'
import { checkOffset, show } from '../../config.ts'
import { checksum } from './frame.ts'
import type { Frame } from './frame.ts'
import { heldBytes } from './given-bytes.ts'
import { decodeRecords, holdsRecords } from './record.ts'
import type { LogRecord } from './record.ts'

/** The parts of a batch that comes from another process or file. */
export interface EncodedBatch {
  /** The offset of its first record. */
  readonly baseOffset: bigint
  readonly recordCount: number
  /** The encoded records, one after another. */
  readonly bytes: Uint8Array
  /** CRC-32 of `bytes`. */
  readonly checksum: number
}

export class RecordBatch implements EncodedBatch {
  readonly baseOffset: bigint
  readonly recordCount: number
  readonly bytes: Uint8Array
  readonly checksum: number
  #records: readonly LogRecord[] | null = null

  private constructor({ baseOffset, recordCount, bytes, checksum: crc }: EncodedBatch) {
    this.baseOffset = baseOffset
    this.recordCount = recordCount
    this.bytes = bytes
    this.checksum = crc
  }

  /**
   * Makes a batch from parts that come, for example, over a network. Its `bytes` are a view on the given array, or a
   * copy if that memory may be written by another thread or resized. Do not change them afterwards.
   *
   * Throws a `TypeError` for a field of another type. Throws a `RangeError` that names the field if a value is out of
   * range, if the checksum differs, or if the bytes do not hold exactly `recordCount` records.
   *
   * @example
   * ```ts
   * for await (const { baseOffset, recordCount, bytes, checksum } of reader.readBatches()) {
   *   // Another process that receives these four fields makes a verified batch of them:
   *   const batch = RecordBatch.from({ baseOffset, recordCount, bytes, checksum })
   *   console.log(batch.records().length) // 3
   * }
   * ```
   */
  static from(encoded: EncodedBatch): RecordBatch {
    if (typeof encoded !== 'object' || encoded === null) {
      throw new TypeError(`a batch must be an object, not ${show(encoded)}`)
    }
    const { baseOffset, recordCount, bytes, checksum: expected } = encoded
    const first = checkOffset(baseOffset, 'baseOffset')
    checkWhole('recordCount', recordCount, 1)
    checkWhole('checksum', expected, 0)
    if (first + recordCount > Number.MAX_SAFE_INTEGER) {
      const lead = `${recordCount} records from ${baseOffset} on`
      throw new RangeError(`recordCount must not lead past offset 2^53 - 1: ${lead}`)
    }
    if (!isUint8Array(bytes)) throw new TypeError(`bytes must be a Uint8Array, not ${show(bytes)}`)
    const body = heldBytes(bytes)
    const found = checksum(body)
    if (found !== expected) {
      throw new RangeError(`the batch at offset ${baseOffset} has the checksum ${found}, expected ${expected}`)
    }
    if (!holdsRecords(body, recordCount)) throw wrongCount(baseOffset, recordCount)
    return new RecordBatch({ baseOffset, recordCount, bytes: body, checksum: found })
  }

  /** @internal The commit in a RECORDS frame that verified. */
  static ofFrame({ header, body }: Frame): RecordBatch {
    const { baseOffset, recordCount, bodyCrc } = header
    return new RecordBatch({ baseOffset: BigInt(baseOffset), recordCount, bytes: body, checksum: bodyCrc })
  }

  /** The offset after its last record. */
  get nextOffset(): bigint {
    return this.baseOffset + BigInt(this.recordCount)
  }

  /**
   * Its records, decoded at the first call. Keys and values are views on `bytes`; change neither, because others may
   * read them. Throws a `RangeError` if the bytes do not hold exactly `recordCount` records.
   */
  records(): readonly LogRecord[] {
    this.#records ??= this.#decode()
    return this.#records
  }

  #decode(): readonly LogRecord[] {
    const { baseOffset, recordCount, bytes } = this
    const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const records = decodeRecords(body, { baseOffset: Number(baseOffset), recordCount })
    if (records === null) throw wrongCount(baseOffset, recordCount)
    return records
  }
}

function wrongCount(baseOffset: bigint, recordCount: number): RangeError {
  return new RangeError(`the bytes of the batch at offset ${baseOffset} do not hold exactly ${recordCount} records`)
}

function checkWhole(field: 'recordCount' | 'checksum', value: unknown, least: number): void {
  if (typeof value !== 'number') throw new TypeError(`${field} must be a number, not ${show(value)}`)
  if (!Number.isInteger(value) || value < least || value > 0xffff_ffff) {
    throw new RangeError(`${field} must be a whole number from ${least} to 2^32 - 1: ${value}`)
  }
}
