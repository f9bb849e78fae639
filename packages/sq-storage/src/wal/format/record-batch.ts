/**
 * A commit as it is in the log: the encoded records of a RECORDS frame, with their offsets and checksum. A program can
 * send it on as bytes, store these bytes and compare checksums, and cut it or decode its records.
 */
import { isUint8Array } from 'node:util/types'
import { checkOffset, show } from '../../config.ts'
import { OpaqueBatchError } from '../../errors.ts'
import { checkedTimes, contentOf, sliceBody, timesOf } from './batch-body.ts'
import type { BatchContent, TimeRange } from './batch-body.ts'
import { areAttributes, checksum, MAX_RECORDS_BYTES, showAttributes } from './frame.ts'
import type { Frame } from './frame.ts'
import { heldBytes } from './given-bytes.ts'
import { decodeRecords } from './record.ts'
import type { LogRecord } from './record.ts'

/** The parts of a batch that comes from another process or file. */
export interface EncodedBatch {
  /** The offset of its first record. */
  readonly baseOffset: bigint
  /** The number of offsets that it takes: of its records. */
  readonly recordCount: number
  /** What `bytes` holds, as the format of the log defines it; 0, records only, if not given. */
  readonly attributes?: number | undefined
  /** The body of its frame: the encoded records, one after another, and what the attributes add to them. */
  readonly bytes: Uint8Array
  /** CRC-32 of `bytes`. */
  readonly checksum: number
}

export class RecordBatch implements EncodedBatch {
  readonly baseOffset: bigint
  readonly recordCount: number
  readonly attributes: number
  readonly bytes: Uint8Array
  readonly checksum: number
  readonly #content: BatchContent
  #times: TimeRange | null
  /** Whether everything has been checked that can be, and `#times` is known. */
  #isChecked = false
  #records: readonly LogRecord[] | null = null

  private constructor(encoded: Required<EncodedBatch>, content: BatchContent) {
    const { baseOffset, recordCount, attributes, bytes, checksum: crc } = encoded
    this.baseOffset = baseOffset
    this.recordCount = recordCount
    this.attributes = attributes ?? 0
    this.bytes = bytes
    this.checksum = crc
    this.#content = content
    this.#times = content.opaque
  }

  /**
   * Makes a batch from parts that come, for example, over a network, and checks everything that can be checked of them.
   * Its `bytes` are a view on the given array, or a copy if that memory may be written by another thread or resized. Do
   * not change them afterwards.
   *
   * Throws a `TypeError` for a field of a wrong type. Throws a `RangeError` that names the field if a value is out of
   * range, if the checksum differs, or if the bytes do not hold exactly `recordCount` records, and what the attributes
   * state.
   *
   * @example
   * ```ts
   * for await (const { baseOffset, recordCount, attributes, bytes, checksum } of reader.readBatches()) {
   *   // Another process that receives these five fields makes a verified batch of them:
   *   const batch = RecordBatch.from({ baseOffset, recordCount, attributes, bytes, checksum })
   *   console.log(batch.records().length) // 3
   * }
   * ```
   */
  static from(encoded: EncodedBatch): RecordBatch {
    if (typeof encoded !== 'object' || encoded === null) {
      throw new TypeError(`a batch must be an object, not ${show(encoded)}`)
    }
    const { baseOffset, recordCount, attributes = 0, bytes, checksum: expected } = encoded
    const first = checkOffset(baseOffset, 'baseOffset')
    checkWhole('recordCount', recordCount, 1)
    checkWhole('checksum', expected, 0)
    checkWhole('attributes', attributes, 0)
    if (!areAttributes(attributes)) {
      throw new RangeError(`attributes must be known to this version of the log: ${showAttributes(attributes)}`)
    }
    if (first + recordCount > Number.MAX_SAFE_INTEGER) {
      const lead = `${recordCount} records from ${baseOffset} on`
      throw new RangeError(`recordCount must not lead past offset 2^53 - 1: ${lead}`)
    }
    if (!isUint8Array(bytes)) throw new TypeError(`bytes must be a Uint8Array, not ${show(bytes)}`)
    const body = heldBytes(bytes)
    if (body.length > MAX_RECORDS_BYTES) {
      throw new RangeError(
        `bytes must be at most ${MAX_RECORDS_BYTES} bytes, the longest batch of a log: ${body.length}`,
      )
    }
    const found = checksum(body)
    if (found !== expected) {
      throw new RangeError(`the batch at offset ${baseOffset} has the checksum ${found}, expected ${expected}`)
    }
    const content = contentOf(body, attributes)
    const batch = { baseOffset, recordCount, attributes, bytes: body, checksum: found }
    if (content === null) throw wrongBytes(batch)
    const made = new RecordBatch(batch, content)
    if (made.checkedTimes() === null) throw wrongBytes(batch)
    return made
  }

  /** @internal The commit in a RECORDS frame that verified; null if its body does not have the parts it states. */
  static ofFrame({ header, body }: Frame): RecordBatch | null {
    const { baseOffset, recordCount, attributes, bodyCrc } = header
    const content = contentOf(body, attributes)
    const encoded = { baseOffset: BigInt(baseOffset), recordCount, attributes, bytes: body, checksum: bodyCrc }
    return content === null ? null : new RecordBatch(encoded, content)
  }

  /** The offset after its last record. */
  get nextOffset(): bigint {
    return this.baseOffset + BigInt(this.recordCount)
  }

  /** What the caller of `appendBatch` or `appendOpaque` gave to be kept with the batch; null if nothing. */
  get metadata(): Uint8Array | null {
    return this.#content.metadata
  }

  /** Whether it is a payload that the log does not look into, instead of records. */
  get isOpaque(): boolean {
    return this.#content.opaque !== null
  }

  /** The payload of an opaque batch, a view on `bytes`; null in any other batch. */
  get payload(): Uint8Array | null {
    return this.#content.opaque?.payload ?? null
  }

  /**
   * The smallest timestamp of its records, in milliseconds since 1970; of an opaque batch, what its producer stated.
   * The first use goes through all records. Throws a `RangeError` if the bytes do not hold exactly `recordCount`
   * records.
   */
  get minTimestampMs(): number {
    return this.#timeRange().minTimestampMs
  }

  /** The largest timestamp of its records, as `minTimestampMs`. */
  get maxTimestampMs(): number {
    return this.#timeRange().maxTimestampMs
  }

  /**
   * Its records, decoded at the first call. Keys and values are views on `bytes`; change neither, because others may
   * read them. Throws an `OpaqueBatchError` for an opaque batch, and a `RangeError` if the bytes do not hold exactly
   * `recordCount` records.
   */
  records(): readonly LogRecord[] {
    this.#records ??= this.#decode()
    return this.#records
  }

  /**
   * A batch with only the records at offsets from `from` up to, and not including, `to`: the same metadata, and a
   * checksum of its own. The whole batch if these are all.
   *
   * Throws a `TypeError` or `RangeError` for offsets that are not in the batch or hold no record between them, an
   * `OpaqueBatchError` for a part of an opaque batch, and a `RangeError` if the bytes do not hold exactly `recordCount`
   * records.
   *
   * @example
   * ```ts
   * for await (const batch of reader.readBatches()) {
   *   const part = batch.slice({ from: 1n, to: 2n })
   *   console.log(part.baseOffset, part.recordCount) // 1n 1
   * }
   * ```
   */
  slice({ from, to }: { readonly from: bigint; readonly to: bigint }): RecordBatch {
    checkOffset(from, 'from')
    checkOffset(to, 'to')
    const { baseOffset, nextOffset } = this
    if (from < baseOffset || to > nextOffset || from >= to) {
      const range = `offsets ${baseOffset} up to ${nextOffset}`
      throw new RangeError(`from and to must be in the batch with ${range}, and from before to: ${from} and ${to}`)
    }
    const isWhole = from === baseOffset && to === nextOffset
    if (this.isOpaque && !isWhole) throw new OpaqueBatchError(`cannot cut a batch to offsets ${from} up to ${to}`, this)
    const part = this.part(from, to)
    if (part === null) throw wrongBytes(this)
    return part
  }

  /** @internal The same for offsets that are in the batch; null if its bytes do not hold these records. */
  part(from: bigint, to: bigint): RecordBatch | null {
    const { baseOffset, nextOffset, attributes } = this
    if (from === baseOffset && to === nextOffset) return this
    const indexes = { from: Number(from - baseOffset), to: Number(to - baseOffset) }
    const bytes = sliceBody(this.#body, attributes, indexes)
    const content = bytes === null ? null : contentOf(bytes, attributes)
    if (bytes === null || content === null) return null
    const part = { baseOffset: from, recordCount: Number(to - from), attributes, bytes, checksum: checksum(bytes) }
    return new RecordBatch(part, content)
  }

  /**
   * @internal Its times, once its bytes have been found to hold exactly what it states; null if they do not. A reader
   * makes it from a frame without that check.
   */
  checkedTimes(): TimeRange | null {
    if (!this.#isChecked) {
      const times = checkedTimes(this.#body, this)
      if (times === null) return null
      this.#times = times
      this.#isChecked = true
    }
    return this.#times
  }

  get #body(): Buffer {
    const { bytes } = this
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  #timeRange(): TimeRange {
    this.#times ??= timesOf(this.#body, this)
    if (this.#times === null) throw wrongBytes(this)
    return this.#times
  }

  #decode(): readonly LogRecord[] {
    const { baseOffset, recordCount, attributes } = this
    const encoded = this.#content.records
    if (encoded === null) throw new OpaqueBatchError('cannot read the records of a batch', this)
    const records = decodeRecords(encoded, { baseOffset: Number(baseOffset), recordCount, attributes })
    if (records === null) throw wrongBytes(this)
    return records
  }
}

function wrongBytes({ baseOffset, recordCount, attributes }: Omit<EncodedBatch, 'bytes' | 'checksum'>): RangeError {
  const stated = attributes ? `, with attributes ${showAttributes(attributes)}` : ''
  return new RangeError(
    `the bytes of the batch at offset ${baseOffset} do not hold exactly ${recordCount} records${stated}`,
  )
}

function checkWhole(field: 'recordCount' | 'checksum' | 'attributes', value: unknown, least: number): void {
  if (typeof value !== 'number') throw new TypeError(`${field} must be a number, not ${show(value)}`)
  if (!Number.isInteger(value) || value < least || value > 0xffff_ffff) {
    throw new RangeError(`${field} must be a whole number from ${least} to 2^32 - 1: ${value}`)
  }
}
