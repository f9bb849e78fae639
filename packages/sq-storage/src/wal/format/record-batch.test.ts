import { runInNewContext } from 'node:vm'
import { crc32 } from 'node:zlib'
import { ManualClock } from '@sq/sim'
import { expect, test } from 'vitest'
import { growable, lying, resizable } from '../../testing/strange-bytes.ts'
import { checkRecords } from '../writing/checked-record.ts'
import { OpaqueBatchError } from '../../errors.ts'
import { Attribute } from './frame.ts'
import type { FrameHeader } from './frame.ts'
import { RecordBatch } from './record-batch.ts'
import type { EncodedBatch } from './record-batch.ts'
import { RecordBuffer } from './record.ts'

/** This number of records, as they are in a frame. */
function body(...values: string[]): Buffer {
  const records = checkRecords(
    values.map((value) => ({ value: Buffer.from(value), timestampMs: 1 })),
    new ManualClock(),
  )
  const target = new RecordBuffer(Buffer.alloc(records.reduce((sum, { encodedBytes }) => sum + encodedBytes, 0)))
  let at = 0
  for (const record of records) at = target.encode(record, at)
  return target.bytes
}

const BYTES = body('a', 'bc')
const GOOD: EncodedBatch = { baseOffset: 5n, recordCount: 2, bytes: BYTES, checksum: crc32(BYTES) }
const LAST = BigInt(Number.MAX_SAFE_INTEGER)

test('a batch is made from the fields of another batch', () => {
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
  [{ attributes: 8 }, RangeError, 'attributes must be known to this version of the log: 0x08'],
  [{ attributes: 6 }, RangeError, 'attributes must be known to this version of the log: 0x06'],
  [{ attributes: 2 ** 32 - 1 }, RangeError, 'attributes must be known to this version of the log: 0xffffffff'],
  [{ attributes: 2 ** 32 }, RangeError, 'attributes must be a whole number from 0 to 2^32 - 1'],
  [{ attributes: -1 }, RangeError, 'attributes must be a whole number'],
  [{ attributes: 0.5 }, RangeError, 'attributes must be a whole number'],
  [{ attributes: null }, TypeError, 'attributes must be a number, not null'],
  [
    { attributes: 1 },
    RangeError,
    'the bytes of the batch at offset 5 do not hold exactly 2 records, with attributes 0x01',
  ],
  [
    { attributes: 2 },
    RangeError,
    'the bytes of the batch at offset 5 do not hold exactly 2 records, with attributes 0x02',
  ],
])('a batch with %o is refused, with the field', (part, kind, message) => {
  const make = () => RecordBatch.from({ ...GOOD, ...part } as EncodedBatch)
  expect(make).toThrow(kind)
  expect(make).toThrow(message)
})

const MINUS_ONE = Buffer.alloc(4, 0xff)

/** The parts of a batch with these bytes. */
function parts(attributes: number, recordCount: number, bytes: Buffer): EncodedBatch {
  return { baseOffset: 5n, recordCount, attributes, bytes, checksum: crc32(bytes) }
}

test('a batch with metadata or without a value is made of its parts, and sliced with the same metadata', () => {
  const bytes = Buffer.concat([Buffer.from('\x04\0\0\0meta', 'latin1'), body('a', 'bc', 'd')])
  MINUS_ONE.copy(bytes, bytes.length - 9)
  const tombstone = bytes.subarray(0, -1)
  tombstone.writeUInt32LE(24, tombstone.length - 24)
  const encoded = parts(Attribute.METADATA | Attribute.NULL_VALUES, 3, tombstone)
  const batch = RecordBatch.from(RecordBatch.from(encoded))
  expect(batch).toMatchObject({ attributes: 5, isOpaque: false, payload: null, minTimestampMs: 1, maxTimestampMs: 1 })
  expect(String(batch.metadata)).toBe('meta')
  expect(batch.records().map(({ value }) => String(value))).toEqual(['a', 'bc', 'null'])
  const part = batch.slice({ from: 6n, to: 8n })
  expect([part.baseOffset, part.nextOffset, part.recordCount, String(part.metadata)]).toEqual([6n, 8n, 2, 'meta'])
  expect(part.records().map(({ offset, value }) => `${offset} ${String(value)}`)).toEqual(['6 bc', '7 null'])
  expect(RecordBatch.from(part).checksum).toBe(part.checksum)
  expect(batch.slice({ from: 5n, to: 8n })).toBe(batch)
  expect(batch.slice({ from: 5n, to: 6n }).bytes).toEqual(Buffer.concat([tombstone.subarray(0, 8), body('a')]))
})

test('an opaque batch is made of its parts, and cannot be read or cut', () => {
  const times = Buffer.alloc(16)
  times.writeUInt32LE(7, 0)
  times.writeUInt32LE(9, 8)
  const encoded = parts(Attribute.OPAQUE, 4, Buffer.concat([times, Buffer.from('packed')]))
  const batch = RecordBatch.from(RecordBatch.from(encoded))
  expect(batch).toMatchObject({ isOpaque: true, metadata: null, nextOffset: 9n, minTimestampMs: 7, maxTimestampMs: 9 })
  expect(String(batch.payload)).toBe('packed')
  expect(batch.slice({ from: 5n, to: 9n })).toBe(batch)
  for (const use of [() => batch.records(), () => batch.slice({ from: 5n, to: 6n })]) {
    expect(use).toThrow(OpaqueBatchError)
    expect(use).toThrow('the batch from offset 5 up to 9 is opaque')
  }
})

test('a batch without attributes has none', () => {
  const batch = RecordBatch.from(GOOD)
  expect(batch).toMatchObject({ attributes: 0, metadata: null, isOpaque: false, payload: null })
})

test.each([
  [4n, 6n],
  [5n, 8n],
  [6n, 6n],
  [7n, 6n],
])('offsets from %d up to %d are not a slice of a batch with offsets 5 and 6', (from, to) => {
  const error = `from and to must be in the batch with offsets 5 up to 7, and from before to: ${from} and ${to}`
  expect(() => RecordBatch.from(GOOD).slice({ from, to })).toThrow(new RangeError(error))
})

test('an offset of a slice is a bigint', () => {
  const batch = RecordBatch.from(GOOD)
  expect(() => batch.slice({ from: 5n, to: 6 as unknown as bigint })).toThrow(
    new TypeError('to must be a bigint, not 6'),
  )
})

test('a batch of a frame that is not made of records cannot be sliced and has no timestamps', () => {
  const header = { baseOffset: 5, recordCount: 2, attributes: 0, bodyCrc: 0 } as FrameHeader
  const batch = RecordBatch.ofFrame({ header, body: Buffer.alloc(50), bytes: Buffer.alloc(0) })
  for (const use of [
    () => batch?.slice({ from: 5n, to: 6n }),
    () => batch?.slice({ from: 6n, to: 7n }),
    () => batch?.minTimestampMs,
    () => batch?.maxTimestampMs,
    () => batch?.records(),
  ]) {
    expect(use).toThrow(new RangeError('the bytes of the batch at offset 5 do not hold exactly 2 records'))
  }
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
])('a batch keeps a copy of memory %s, which stays as it was checked', (_, make) => {
  const { bytes, resize } = make()
  resize(40)
  const record = body('x'.repeat(16))
  bytes.set(record)
  const batch = RecordBatch.from({ baseOffset: 0n, recordCount: 1, bytes, checksum: crc32(record) })
  bytes.fill(0xff)
  expect(batch.records().map(({ value }) => String(value))).toEqual(['x'.repeat(16)])
})

test('the real length of the bytes counts, not the one that they report, in any realm', () => {
  const strange = lying()
  expect(() => RecordBatch.from({ ...GOOD, bytes: strange, checksum: crc32(Buffer.alloc(10, 't')) })).toThrow(
    /do not hold exactly 2/,
  )
  const foreign = runInNewContext('(bytes) => Uint8Array.from(bytes)')(BYTES) as Uint8Array
  expect(RecordBatch.from({ ...GOOD, bytes: foreign }).records()).toHaveLength(2)
})
