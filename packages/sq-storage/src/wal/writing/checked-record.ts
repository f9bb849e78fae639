/**
 * Reads the parts of a record from a caller: each part is read once and its length is counted once. A part may change
 * between two reads, and reading it may run code of the caller. `record.ts` encodes what was read here.
 */
import { isUint8Array } from 'node:util/types'
import type { Clock } from '@sq/sim'
import { show } from '../../config.ts'
import type { ResolvedWalConfig } from '../../config.ts'
import { bytesIn, isDetached } from '../format/given-bytes.ts'
import { HEADER_OVERHEAD_BYTES, RECORD_OVERHEAD_BYTES } from '../format/record.ts'
import type { CheckedHeader, CheckedRecord, LogRecord, RecordHeader, RecordInput } from '../format/record.ts'
import { wallClockMs } from '../segments/wall-clock.ts'
import { BadPart } from './bad-record.ts'

const NO_HEADERS: readonly CheckedHeader[] = []

/** The fields of a record. A record that was read can be appended as it is, so it may have an offset. */
const FIELDS: ReadonlySet<string> = new Set<keyof LogRecord>(['key', 'value', 'headers', 'timestampMs', 'offset'])

/** Checks a record that is given as an object. `clock` is for one without a timestamp. Throws a `BadPart`. */
export function checkRecord(record: RecordInput | undefined, clock: Clock): CheckedRecord {
  if (typeof record !== 'object' || record === null) {
    throw new BadPart(TypeError, null, `a record must be an object, not ${show(record)}`)
  }
  const { key = null, value, headers = NO_HEADERS, timestampMs = wallClockMs(clock) } = record
  const checked = recordOf(key, value, headers, timestampMs)
  for (const field of Object.keys(record)) {
    if (!FIELDS.has(field)) throw new BadPart(TypeError, field, 'is not a field of a record', show(field))
  }
  return checked
}

/** Checks the records of a batch. Throws a `BadPart`. */
export function checkRecords(records: readonly RecordInput[], clock: Clock): CheckedRecord[] {
  if (!Array.isArray(records)) throw new BadPart(TypeError, null, 'a batch must be an array of records').of(null)
  const count = records.length
  const checked: CheckedRecord[] = []
  for (let nth = 0; nth < count; nth++) {
    try {
      checked.push(checkRecord(records[nth], clock))
    } catch (error) {
      throw error instanceof BadPart ? error.of(nth) : error
    }
  }
  return checked
}

/** Checks the parts of a record; those of its headers are read once. Throws a `BadPart`. */
export function recordOf(
  key: Uint8Array | null,
  value: Uint8Array | null,
  headers: readonly RecordHeader[],
  timestampMs: number,
): CheckedRecord {
  const keyBytes = key === null ? 0 : countBytes(key, 'key')
  const valueBytes = value === null ? 0 : countBytes(value, 'value')
  if (typeof timestampMs !== 'number') {
    throw new BadPart(TypeError, 'timestampMs', `must be a number, not ${show(timestampMs)}`)
  }
  if (!Number.isSafeInteger(timestampMs) || timestampMs < 0) {
    const limits = 'must be a whole number of milliseconds from 0 to 2^53 - 1'
    throw new BadPart(RangeError, 'timestampMs', `${limits}: ${timestampMs}`)
  }
  if (!Array.isArray(headers)) {
    throw new BadPart(TypeError, 'headers', `must be an array of { key, value }, not ${show(headers)}`)
  }
  const encodedBytes = RECORD_OVERHEAD_BYTES + keyBytes + valueBytes
  const count = headers.length
  if (count === 0) return { key, keyBytes, value, valueBytes, headers: NO_HEADERS, timestampMs, encodedBytes }
  const checked: CheckedHeader[] = []
  let headerBytes = 0
  for (let at = 0; at < count; at++) {
    const header = checkHeader(headers[at], at)
    headerBytes += HEADER_OVERHEAD_BYTES + Buffer.byteLength(header.key) + header.valueBytes
    checked.push(header)
  }
  return { key, keyBytes, value, valueBytes, headers: checked, timestampMs, encodedBytes: encodedBytes + headerBytes }
}

function checkHeader(header: Partial<RecordHeader> | null | undefined, at: number): CheckedHeader {
  const { key, value } = header ?? {}
  if (typeof key !== 'string') throw new BadPart(TypeError, `headers[${at}].key`, `must be a string, not ${show(key)}`)
  if (!key.isWellFormed()) {
    throw new BadPart(RangeError, `headers[${at}].key`, `must be well-formed Unicode: ${show(key)}`)
  }
  if (!isUint8Array(value)) throw notBytes(value, `headers[${at}].value`)
  const valueBytes = bytesIn(value)
  if (valueBytes === 0) checkAttached(value, `headers[${at}].value`)
  return { key, value, valueBytes }
}

function countBytes(part: Uint8Array, field: 'key' | 'value'): number {
  if (!isUint8Array(part)) throw notBytes(part, field)
  const bytes = bytesIn(part)
  if (bytes === 0) checkAttached(part, field)
  return bytes
}

function notBytes(part: unknown, field: string): BadPart {
  const allowed = field === 'key' || field === 'value' ? 'a Uint8Array or null' : 'a Uint8Array'
  return new BadPart(TypeError, field, `must be ${allowed}, not ${show(part)}`)
}

function checkAttached(part: Uint8Array, field: string): void {
  if (isDetached(part)) throw new BadPart(TypeError, field, 'must be in memory that was not transferred or shrunk')
}

/** The error for a record with a part whose length is no longer what was counted. */
export function changedPart({ key, keyBytes, value, valueBytes, headers }: CheckedRecord): BadPart {
  const changed = headers.findIndex((header) => bytesIn(header.value) !== header.valueBytes)
  const isKey = key !== null && bytesIn(key) !== keyBytes
  const isValue = value !== null && bytesIn(value) !== valueBytes
  const field = isKey ? 'key' : isValue ? 'value' : `headers[${changed}].value`
  return new BadPart(TypeError, field, 'changed its length while it was appended')
}

/**
 * Bytes that the records of an append take in a frame. Throws a bad record's error if one of them is over a limit, or
 * all of them are.
 */
export function checkLimits(
  records: readonly CheckedRecord[],
  { maxRecordBytes, maxBatchBytes, maxTimestampAheadMs }: ResolvedWalConfig,
  latestMs: number,
): number {
  if (records.length === 0) throw new BadPart(RangeError, null, 'a batch must hold at least one record').of(null)
  let encodedBytes = 0
  let nth = 0
  for (const record of records) {
    const content = record.encodedBytes - RECORD_OVERHEAD_BYTES
    if (content > maxRecordBytes) {
      const what = `the record holds ${content} bytes, maxRecordBytes is ${maxRecordBytes}`
      throw new BadPart(RangeError, null, what).of(nth)
    }
    if (record.timestampMs > latestMs) {
      const limit = `must be at most ${latestMs}, maxTimestampAheadMs (${maxTimestampAheadMs}) after the clock`
      throw new BadPart(RangeError, 'timestampMs', `${limit}: ${record.timestampMs}`).of(nth)
    }
    encodedBytes += record.encodedBytes
    nth++
  }
  if (records.length > 1 && encodedBytes > maxBatchBytes) {
    const what = `the batch takes ${encodedBytes} bytes, maxBatchBytes is ${maxBatchBytes}`
    throw new BadPart(RangeError, null, what).of(null)
  }
  return encodedBytes
}
