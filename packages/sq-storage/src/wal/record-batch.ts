/** A commit as it stands in the log: to be passed on whole, or to be taken apart into its records. */
import { checksum } from './frame.ts'
import type { Frame } from './frame.ts'
import { decodeRecords } from './record.ts'
import type { LogRecord } from './record.ts'

/** What a batch is made of, for one that came from elsewhere. */
export interface EncodedBatch {
  /** The offset of its first record. */
  readonly baseOffset: bigint
  readonly recordCount: number
  /** The records, one after another, as the format has them. */
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

  /** A batch that came from elsewhere, over a network say. Copies nothing. Throws a `RangeError` for a wrong checksum. */
  static from(encoded: EncodedBatch): RecordBatch {
    const found = checksum(encoded.bytes)
    if (found === encoded.checksum) return new RecordBatch(encoded)
    const { baseOffset, checksum: expected } = encoded
    throw new RangeError(`the batch at offset ${baseOffset} has the checksum ${found}, expected ${expected}`)
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
   * Its records, decoded at the first call. Keys and values are views on `bytes`; change neither, for others may read
   * them. Throws a `RangeError` where the bytes are not so many records.
   */
  records(): readonly LogRecord[] {
    this.#records ??= this.#decode()
    return this.#records
  }

  #decode(): readonly LogRecord[] {
    const { baseOffset, recordCount, bytes } = this
    const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const records = decodeRecords(body, { baseOffset: Number(baseOffset), recordCount })
    if (records === null) throw new RangeError(`the batch at offset ${baseOffset} is not made of ${recordCount} records`)
    return records
  }
}
