/**
 * Records, and their encoding in the body of a RECORDS frame: one after another, without padding. The offset of a
 * record is the base offset of the frame plus its index in the frame. `batch-body.ts` has what may come before them.
 *
 * ```
 *  0        4                 12                16            20            24
 *  +--------+-----------------+-----------------+-------------+-------------+-----+-------+---------+
 *  | length | timestampMs u64 | keyLength i32   | valueLength | headerCount | key | value | headers |
 *  |        |                 | -1: no key      | -1: no value|             |     |       |         |
 *  +--------+-----------------+-----------------+-------------+-------------+-----+-------+---------+
 *  a header:  | keyLength u32 | key, UTF-8 | valueLength u32 | value |
 * ```
 *
 * `length` counts the whole record, itself included. A value may be missing only in a frame with the attribute
 * NULL_VALUES.
 */
import { Attribute } from './frame.ts'
import { bytesIn } from './given-bytes.ts'
import { readUint64, setUint64 } from './integers.ts'

/** A key and a value that belong to a record. Keys may repeat; their order is kept. */
export interface RecordHeader {
  /** Well-formed Unicode (no lone surrogates). */
  readonly key: string
  readonly value: Uint8Array
}

/** A record to append. An unknown field is refused with a `BadRecordError`, except the `offset` of a `LogRecord`. */
export interface RecordInput {
  /** Any bytes, or null for none, which is the default. An empty key is a key. */
  readonly key?: Uint8Array | null | undefined
  /** Any bytes, or null for none: a tombstone. An empty value is a value. */
  readonly value: Uint8Array | null
  /** Keys and values, in order; none by default. */
  readonly headers?: readonly RecordHeader[] | undefined
  /**
   * Milliseconds since 1970, chosen by the caller: a whole number from 0 to 2^53 - 1. By default the time of the
   * writer's clock when the record is checked.
   */
  readonly timestampMs?: number | undefined
}

/** A header whose parts were read once, with the length that its value had then. */
export interface CheckedHeader extends RecordHeader {
  readonly valueBytes: number
}

/** A record whose parts were read once, with the length that each had then. `checked-record.ts` makes it. */
export interface CheckedRecord extends RecordParts {
  /** 0 if there is no key. */
  readonly keyBytes: number
  /** 0 if there is no value. */
  readonly valueBytes: number
  readonly headers: readonly CheckedHeader[]
  /** The bytes that it takes in a frame. */
  readonly encodedBytes: number
}

/** A record of the log. Its bytes are views on a buffer that the log does not write again. */
export interface LogRecord {
  readonly offset: bigint
  /** Any bytes, or null for none. */
  readonly key: Uint8Array | null
  /** Any bytes, or null for none: a tombstone. */
  readonly value: Uint8Array | null
  readonly headers: readonly RecordHeader[]
  /** Milliseconds since 1970. */
  readonly timestampMs: number
}

/** The parts of a record, all of them there. */
export type RecordParts = Omit<LogRecord, 'offset'>

/** The bytes of an empty record, the least that a record can take. */
export const RECORD_OVERHEAD_BYTES = 24
export const HEADER_OVERHEAD_BYTES = 8
const NO_KEY = -1
/** Read as a length: no value. */
const NO_VALUE = 0xffff_ffff

const AT = { length: 0, timestampMs: 4, keyLength: 12, valueLength: 16, headerCount: 20, key: 24 } as const

/** The bytes that a record took in its frame. */
export function recordBytes(record: RecordParts): number {
  let bytes = RECORD_OVERHEAD_BYTES + (record.key?.length ?? 0) + (record.value?.length ?? 0)
  for (const header of record.headers) {
    bytes += HEADER_OVERHEAD_BYTES + Buffer.byteLength(header.key) + header.value.length
  }
  return bytes
}

/** A buffer that records are encoded into. Numbers are written through a `DataView`, at a third of the cost. */
export class RecordBuffer {
  readonly bytes: Buffer
  readonly #view: DataView

  constructor(bytes: Buffer) {
    this.bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  /**
   * Encodes a record at an index that has room for its `encodedBytes`, and returns the index after it. Returns -1 if a
   * part no longer has the length that was counted; the bytes there are then undefined.
   */
  encode(record: CheckedRecord, at: number): number {
    const { key, keyBytes, value, valueBytes, headers, timestampMs, encodedBytes } = record
    const view = this.#view
    view.setUint32(at + AT.length, encodedBytes, true)
    setUint64(view, timestampMs, at + AT.timestampMs)
    view.setInt32(at + AT.keyLength, key === null ? NO_KEY : keyBytes, true)
    view.setUint32(at + AT.valueLength, value === null ? NO_VALUE : valueBytes, true)
    view.setUint32(at + AT.headerCount, headers.length, true)
    let end = at + AT.key
    if (key !== null) {
      if (!this.#copy(key, keyBytes, end)) return -1
      end += keyBytes
    }
    if (value !== null) {
      if (!this.#copy(value, valueBytes, end)) return -1
      end += valueBytes
    }
    for (const header of headers) {
      const keyLength = this.bytes.write(header.key, end + 4, 'utf8')
      view.setUint32(end, keyLength, true)
      end += 4 + keyLength
      view.setUint32(end, header.valueBytes, true)
      if (!this.#copy(header.value, header.valueBytes, end + 4)) return -1
      end += 4 + header.valueBytes
    }
    return end
  }

  /**
   * Copies a part that must still have this length. Shared memory may grow during the copy: the extra bytes go after
   * the part, where nothing has been written yet.
   */
  #copy(part: Uint8Array, bytes: number, at: number): boolean {
    if (bytesIn(part) !== bytes) return false
    this.bytes.set(part, at)
    return true
  }
}

/** What the header of a RECORDS frame says about the records in it. */
export interface RecordsHeader {
  readonly baseOffset: number
  readonly recordCount: number
  readonly attributes: number
}

/**
 * The records of a RECORDS body whose checksum verified, as views on it. Null if the bytes do not hold exactly
 * `recordCount` records: this log never wrote such a frame.
 */
export function decodeRecords(body: Buffer, frame: RecordsHeader): LogRecord[] | null {
  return new RecordDecoder(body, frame).take(frame.recordCount)
}

/** The same one at a time, for a body that `holdsRecords`. Each iteration begins at the first record. */
export function eachRecord(body: Buffer, frame: RecordsHeader): Iterable<LogRecord> {
  return {
    *[Symbol.iterator]() {
      const decoder = new RecordDecoder(body, frame)
      for (let left = frame.recordCount; left > 0; left--) yield* decoder.take(1) ?? []
    },
  }
}

/** The same, some records at a time. */
export class RecordDecoder {
  readonly #body: Buffer
  readonly #baseOffset: number
  readonly #recordCount: number
  readonly #nullValues: boolean
  #index = 0
  #at = 0

  constructor(body: Buffer, { baseOffset, recordCount, attributes }: RecordsHeader) {
    this.#body = body
    this.#baseOffset = baseOffset
    this.#recordCount = recordCount
    this.#nullValues = allowsNullValues(attributes)
  }

  /** The next `count` records. Null if they are not there, or if bytes remain after the last record. */
  take(count: number): LogRecord[] | null {
    const records: LogRecord[] = []
    for (let taken = 0; taken < count; taken++) {
      const [at, offset] = [this.#at, this.#baseOffset + this.#index]
      const end = this.#step()
      const record = end === null ? null : decodeRecord(this.#body, { at, end, offset, nullValues: this.#nullValues })
      if (record === null) return null
      records.push(record)
    }
    return this.#isOver() ? records : null
  }

  /** Skips `count` records without decoding them. False if `take` would return null because of their lengths. */
  skip(count: number): boolean {
    for (let skipped = 0; skipped < count; skipped++) if (this.#step() === null) return false
    return this.#isOver()
  }

  /** Moves to the end of the next record and returns it; null if the record does not fit into the body. */
  #step(): number | null {
    if (this.#at + RECORD_OVERHEAD_BYTES > this.#body.length) return null
    const end = this.#at + this.#body.readUInt32LE(this.#at + AT.length)
    if (end < this.#at + RECORD_OVERHEAD_BYTES || end > this.#body.length) return null
    this.#index++
    this.#at = end
    return end
  }

  /** Whether the body ends with the last record, once that was reached. */
  #isOver(): boolean {
    return this.#index < this.#recordCount || this.#at === this.#body.length
  }
}

/** Creates no view that is not returned: a view costs as much as everything else about a small record. */
function decodeRecord(
  body: Buffer,
  { at, end, offset, nullValues }: { at: number; end: number; offset: number; nullValues: boolean },
): LogRecord | null {
  const keyLength = body.readInt32LE(at + AT.keyLength)
  const valueLength = body.readUInt32LE(at + AT.valueLength)
  const hasValue = !nullValues || valueLength !== NO_VALUE
  const keyEnd = at + AT.key + Math.max(keyLength, 0)
  const valueEnd = keyEnd + (hasValue ? valueLength : 0)
  const timestampMs = readUint64(body, at + AT.timestampMs)
  if (keyLength < NO_KEY || valueEnd > end || !Number.isSafeInteger(timestampMs)) return null
  const headers = decodeHeaders(body, { at: valueEnd, end, count: body.readUInt32LE(at + AT.headerCount) })
  if (headers === null) return null
  return {
    offset: BigInt(offset),
    timestampMs,
    key: keyLength === NO_KEY ? null : body.subarray(at + AT.key, keyEnd),
    value: hasValue ? body.subarray(keyEnd, valueEnd) : null,
    headers,
  }
}

function allowsNullValues(attributes: number): boolean {
  return (attributes & Attribute.NULL_VALUES) !== 0
}

function decodeHeaders(body: Buffer, place: { at: number; end: number; count: number }): RecordHeader[] | null {
  const headers: RecordHeader[] = []
  const { end, count } = place
  let { at } = place
  for (let index = 0; index < count; index++) {
    if (at + 4 > end) return null
    const keyEnd = at + 4 + body.readUInt32LE(at)
    if (keyEnd + 4 > end) return null
    const valueEnd = keyEnd + 4 + body.readUInt32LE(keyEnd)
    if (valueEnd > end) return null
    headers.push({ key: body.toString('utf8', at + 4, keyEnd), value: body.subarray(keyEnd + 4, valueEnd) })
    at = valueEnd
  }
  return at === end ? headers : null
}

/**
 * Whether a RECORDS body whose checksum verified holds exactly `recordCount` records: the check of `decodeRecords`
 * without creating them. A body may hold millions of records, and a record millions of headers. Calls back with each
 * timestamp.
 */
export function holdsRecords(
  body: Buffer,
  { recordCount, attributes }: Pick<RecordsHeader, 'recordCount' | 'attributes'>,
  found: (timestampMs: number) => void = () => {},
): boolean {
  const nullValues = allowsNullValues(attributes)
  let at = 0
  for (let index = 0; index < recordCount; index++) {
    if (at + RECORD_OVERHEAD_BYTES > body.length) return false
    const end = at + body.readUInt32LE(at + AT.length)
    if (end < at + RECORD_OVERHEAD_BYTES || end > body.length) return false
    const timestampMs = readUint64(body, at + AT.timestampMs)
    if (!Number.isSafeInteger(timestampMs) || !isRecord(body, { at, end, nullValues })) return false
    found(timestampMs)
    at = end
  }
  return at === body.length
}

/** Whether a record fills its range exactly, from the key to the last header. */
function isRecord(body: Buffer, { at, end, nullValues }: { at: number; end: number; nullValues: boolean }): boolean {
  const keyLength = body.readInt32LE(at + AT.keyLength)
  const valueLength = body.readUInt32LE(at + AT.valueLength)
  const valueBytes = nullValues && valueLength === NO_VALUE ? 0 : valueLength
  if (keyLength < NO_KEY) return false
  let headerAt = at + AT.key + Math.max(keyLength, 0) + valueBytes
  for (let left = body.readUInt32LE(at + AT.headerCount); left > 0; left--) {
    if (headerAt + HEADER_OVERHEAD_BYTES > end) return false
    const valueAt = headerAt + 4 + body.readUInt32LE(headerAt)
    if (valueAt + 4 > end) return false
    headerAt = valueAt + 4 + body.readUInt32LE(valueAt)
  }
  return headerAt === end
}

/**
 * The bytes of the records with indexes in `[from, to)`. Null if the lengths of the records do not lead there. The rest
 * of each record is not checked.
 */
export function sliceRecords(body: Buffer, from: number, to: number): Buffer | null {
  let start = 0
  let end = 0
  for (let index = 0; index < to; index++) {
    if (end + RECORD_OVERHEAD_BYTES > body.length) return null
    const length = body.readUInt32LE(end + AT.length)
    if (length < RECORD_OVERHEAD_BYTES) return null
    end += length
    if (index + 1 === from) start = end
  }
  return end > body.length ? null : body.subarray(start, end)
}

/**
 * Calls back with each timestamp of a RECORDS body; cheaper than decoding the records. False if the body does not hold
 * exactly `recordCount` records; the rest of each record is not checked.
 */
export function readTimestamps(body: Buffer, recordCount: number, found: (timestampMs: number) => void): boolean {
  let at = 0
  for (let index = 0; index < recordCount; index++) {
    if (at + RECORD_OVERHEAD_BYTES > body.length) return false
    const length = body.readUInt32LE(at + AT.length)
    const timestampMs = readUint64(body, at + AT.timestampMs)
    if (length < RECORD_OVERHEAD_BYTES || !Number.isSafeInteger(timestampMs)) return false
    found(timestampMs)
    at += length
  }
  return at === body.length
}
