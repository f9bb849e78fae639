import { runInNewContext } from 'node:vm'
import { crc32 } from 'node:zlib'
import { expect, test } from 'vitest'
import { growable, lying, resizable } from '../../testing/strange-bytes.ts'
import { checkRecords } from '../writing/checked-record.ts'
import { RecordBatch } from './record-batch.ts'
import type { EncodedBatch } from './record-batch.ts'
import { RecordBuffer } from './record.ts'

/** This number of records, as they are in a frame. */
function body(...values: string[]): Buffer {
  const records = checkRecords(
    values.map((value) => ({ key: null, value: Buffer.from(value), headers: [], timestampMs: 1 })),
  )
  const target = new RecordBuffer(Buffer.alloc(records.reduce((sum, { encodedBytes }) => sum + encodedBytes, 0)))
  let at = 0
  for (const record of records) at = target.encode(record, at)
  return target.bytes
}

const BYTES = body('a', 'bc')
const GOOD: EncodedBatch = { baseOffset: 5n, recordCount: 2, bytes: BYTES, checksum: crc32(BYTES) }
const LAST = BigInt(Number.MAX_SAFE_INTEGER)

test('a batch is made of what another one had', () => {
  const batch = RecordBatch.from(RecordBatch.from(GOOD))
  expect(batch).toMatchObject({ baseOffset: 5n, recordCount: 2, nextOffset: 7n, checksum: GOOD.checksum })
  expect(batch.records().map(({ offset, value }) => [offset, String(value)])).toEqual([
    [5n, 'a'],
    [6n, 'bc'],
  ])
  expect(Buffer.from(batch.bytes).equals(BYTES)).toBe(true)
})

test.each<[Partial<Record<keyof EncodedBatch, unknown>>, typeof TypeError | typeof RangeError, string]>([
  [{ baseOffset: -1n }, RangeError, 'baseOffset must be an offset from 0 to 2^53 - 1: -1'],
  [{ baseOffset: LAST + 1n }, RangeError, 'baseOffset must be'],
  [{ baseOffset: LAST - 1n }, RangeError, 'recordCount must not lead past offset 2^53 - 1'],
  [{ baseOffset: 5 }, TypeError, 'baseOffset must be a bigint, not 5'],
  [{ recordCount: 0 }, RangeError, 'recordCount must be a whole number from 1 to 2^32 - 1: 0'],
  [{ recordCount: -1 }, RangeError, 'recordCount must be'],
  [{ recordCount: 1.5 }, RangeError, 'recordCount must be'],
  [{ recordCount: 2 ** 32 }, RangeError, 'recordCount must be'],
  [{ recordCount: 2n }, TypeError, 'recordCount must be a number, not 2n'],
  [{ recordCount: 1 }, RangeError, 'the bytes of the batch at offset 5 do not hold exactly 1 records'],
  [{ recordCount: 3 }, RangeError, 'the bytes of the batch at offset 5 do not hold exactly 3 records'],
  [{ bytes: 'text' }, TypeError, 'bytes must be a Uint8Array, not "text"'],
  [{ bytes: null }, TypeError, 'bytes must be a Uint8Array, not null'],
  [{ bytes: new Uint16Array(9) }, TypeError, 'bytes must be a Uint8Array'],
  [{ checksum: GOOD.checksum + 1 }, RangeError, 'the batch at offset 5 has the checksum'],
  [{ checksum: -1 }, RangeError, 'checksum must be a whole number from 0 to 2^32 - 1: -1'],
  [{ checksum: undefined }, TypeError, 'checksum must be a number, not undefined'],
])('a batch with %o is refused, with the field', (part, kind, message) => {
  const make = () => RecordBatch.from({ ...GOOD, ...part } as EncodedBatch)
  expect(make).toThrow(kind)
  expect(make).toThrow(message)
})

test.each([undefined, null, 'batch'])('%j is no batch', (given) => {
  expect(() => RecordBatch.from(given as never)).toThrow(
    new TypeError(`a batch must be an object, not ${JSON.stringify(given)}`),
  )
})

test('the largest offset can be the last of a batch', () => {
  expect(RecordBatch.from({ ...GOOD, baseOffset: LAST - 2n }).nextOffset).toBe(LAST)
})

test.each([
  ['shared with other threads', growable],
  ['that can be resized', resizable],
])('of memory %s a batch keeps a copy, which stays as it was checked', (_, make) => {
  const { bytes, resize } = make()
  resize(40)
  const record = body('x'.repeat(16))
  bytes.set(record)
  const batch = RecordBatch.from({ baseOffset: 0n, recordCount: 1, bytes, checksum: crc32(record) })
  bytes.fill(0xff)
  expect(batch.records().map(({ value }) => String(value))).toEqual(['x'.repeat(16)])
})

test('the real length of the bytes counts, whatever they report, in any realm', () => {
  const strange = lying()
  expect(() => RecordBatch.from({ ...GOOD, bytes: strange, checksum: crc32(Buffer.alloc(10, 't')) })).toThrow(
    /do not hold exactly 2/,
  )
  const foreign = runInNewContext('(bytes) => Uint8Array.from(bytes)')(BYTES) as Uint8Array
  expect(RecordBatch.from({ ...GOOD, bytes: foreign }).records()).toHaveLength(2)
})
