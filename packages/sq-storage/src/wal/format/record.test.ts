import { ManualClock, Random } from '@sq/sim'
import { describe, expect, it } from 'vitest'
import { flipped, joined, u32, u64 } from '../../testing/hand-bytes.ts'
import { checkRecord, checkRecords } from '../writing/checked-record.ts'
import { Attribute } from './frame.ts'
import {
  decodeRecords,
  eachRecord,
  holdsRecords,
  readTimestamps,
  RECORD_OVERHEAD_BYTES,
  RecordBuffer,
  recordBytes,
  RecordDecoder,
  sliceRecords,
} from './record.ts'
import type { LogRecord, RecordParts, RecordsHeader } from './record.ts'

const NO_KEY = u32(0xffff_ffff)
const HEADER: RecordsHeader = { baseOffset: 0, recordCount: 1, attributes: 0 }
const EMPTY: RecordParts = { key: null, value: Buffer.alloc(0), headers: [], timestampMs: 0 }

function encoded(...records: RecordParts[]): Buffer {
  const checked = checkRecords(records, new ManualClock())
  const target = new RecordBuffer(Buffer.alloc(checked.reduce((sum, { encodedBytes }) => sum + encodedBytes, 0)))
  let at = 0
  for (const record of checked) at = target.encode(record, at)
  expect(at).toBe(target.bytes.length)
  return target.bytes
}

function timestampsOf(body: Buffer, recordCount: number): number[] | null {
  const found: number[] = []
  return readTimestamps(body, recordCount, (timestampMs) => found.push(timestampMs)) ? found : null
}

/** Decodes the records of a body in every available way. */
function decoded(
  body: Buffer,
  { attributes = 0, ...rest }: Pick<RecordsHeader, 'baseOffset' | 'recordCount'> & Partial<RecordsHeader>,
): LogRecord[] | null {
  const frame = { attributes, ...rest }
  const records = decodeRecords(body, frame)
  expect(holdsRecords(body, frame)).toBe(records !== null)
  if (records !== null) expect([...eachRecord(body, frame)]).toEqual(records)
  return records
}

const SHAPES: [string, RecordParts, Buffer][] = [
  ['nothing at all', EMPTY, joined(u32(24), u64(0), NO_KEY, u32(0), u32(0))],
  ['an empty key', { ...EMPTY, key: Buffer.alloc(0) }, joined(u32(24), u64(0), u32(0), u32(0), u32(0))],
  ['a key', { ...EMPTY, key: Buffer.from('key') }, joined(u32(27), u64(0), u32(3), u32(0), u32(0), 'key')],
  ['a value', { ...EMPTY, value: Buffer.from('value') }, joined(u32(29), u64(0), NO_KEY, u32(5), u32(0), 'value')],
  [
    'the latest timestamp',
    { ...EMPTY, timestampMs: 2 ** 53 - 1 },
    joined(u32(24), u64(2n ** 53n - 1n), NO_KEY, u32(0), u32(0)),
  ],
  [
    'an empty header',
    { ...EMPTY, headers: [{ key: '', value: Buffer.alloc(0) }] },
    joined(u32(32), u64(0), NO_KEY, u32(0), u32(1), u32(0), u32(0)),
  ],
  [
    'header keys of several bytes a character, and one key twice',
    {
      key: Buffer.from('k'),
      value: Buffer.from('v'),
      headers: [
        { key: 'é', value: Buffer.from([1]) },
        { key: '日本', value: Buffer.alloc(0) },
        { key: '🙂', value: Buffer.from([2, 3]) },
        { key: 'é', value: Buffer.from([4]) },
      ],
      timestampMs: 1_700_000_000_000,
    },
    joined(
      joined(u32(76), u64(1_700_000_000_000), u32(1), u32(1), u32(4), 'kv'),
      joined(u32(2), Buffer.from('c3a9', 'hex'), u32(1), Buffer.from([1])),
      joined(u32(6), Buffer.from('e697a5e69cac', 'hex'), u32(0)),
      joined(u32(4), Buffer.from('f09f9982', 'hex'), u32(2), Buffer.from([2, 3])),
      joined(u32(2), Buffer.from('c3a9', 'hex'), u32(1), Buffer.from([4])),
    ),
  ],
]

const NULL_VALUES = { attributes: Attribute.NULL_VALUES }
const NO_VALUE: [string, RecordParts, Buffer][] = [
  ['no value', { ...EMPTY, value: null }, joined(u32(24), u64(0), NO_KEY, u32(0xffff_ffff), u32(0))],
  [
    'no value between a key and a header',
    { key: Buffer.from('key'), value: null, headers: [{ key: 'n', value: Buffer.from('v') }], timestampMs: 7 },
    joined(u32(37), u64(7), u32(3), u32(0xffff_ffff), u32(1), 'key', u32(1), 'n', u32(1), 'v'),
  ],
]

/** Records of all shapes. */
function randomRecord(random: Random, { nullValues = false } = {}): RecordParts {
  const bytes = () => Buffer.from(random.bytes(random.pick([0, 1, 7, 8, 9, 100])))
  return {
    key: random.chance(0.3) ? null : bytes(),
    value: nullValues && random.chance(0.3) ? null : bytes(),
    headers: Array.from({ length: random.int(4) }, () => ({
      key: random.pick(['', 'a', 'naïve', '鍵', '🔑']),
      value: bytes(),
    })),
    timestampMs: random.pick([0, 1, 2 ** 32 - 1, 2 ** 32, 1_700_000_000_000, 2 ** 53 - 1]),
  }
}

describe('a record', () => {
  it.each(SHAPES)('with %s has every field in its place', (_, record, bytes) => {
    expect(encoded(record)).toEqual(bytes)
    expect(recordBytes(record)).toBe(bytes.length)
    expect(decoded(bytes, { baseOffset: 5, recordCount: 1 })).toEqual([{ ...record, offset: 5n }])
    expect(timestampsOf(bytes, 1)).toEqual([record.timestampMs])
  })

  it.each(NO_VALUE)('with %s has every field in its place', (_, record, bytes) => {
    expect(encoded(record)).toEqual(bytes)
    expect(recordBytes(record)).toBe(bytes.length)
    const frame = { baseOffset: 5, recordCount: 1, ...NULL_VALUES }
    expect(decoded(bytes, frame)).toEqual([{ ...record, offset: 5n }])
    expect(timestampsOf(bytes, 1)).toEqual([record.timestampMs])
  })

  it.each(NO_VALUE)(
    'with %s is invalid in a frame that does not allow it, and if it is cut anywhere',
    (_, __, bytes) => {
      expect(decoded(bytes, { baseOffset: 0, recordCount: 1 })).toBeNull()
      for (let length = 0; length < bytes.length; length++) {
        expect(decoded(bytes.subarray(0, length), { baseOffset: 0, recordCount: 1, ...NULL_VALUES })).toBeNull()
      }
    },
  )

  it.each(SHAPES)('with %s is the same in a frame that allows a missing value', (_, record, bytes) => {
    expect(decoded(bytes, { baseOffset: 5, recordCount: 1, ...NULL_VALUES })).toEqual([{ ...record, offset: 5n }])
  })

  it.each([1, 2 ** 31, 2 ** 32 - 2])(
    'without a value has the value length 2^32 - 1: %d is past the record',
    (length) => {
      const body = encoded({ ...EMPTY, value: null })
      body.writeUInt32LE(length, 16)
      expect(decoded(body, { baseOffset: 0, recordCount: 1, ...NULL_VALUES })).toBeNull()
    },
  )

  it.each([0, 1, 7, 8, 9, 255, 256, 2049])('holds a key and a value of %d bytes', (length) => {
    const record = { ...EMPTY, key: Buffer.alloc(length, 1), value: Buffer.alloc(length, 2) }
    expect(decoded(encoded(record), { baseOffset: 0, recordCount: 1 })).toEqual([{ ...record, offset: 0n }])
  })

  it('is written at a place, and touches nothing else', () => {
    const record = { ...EMPTY, value: Buffer.from('value') }
    const target = Buffer.alloc(45, 0xaa)
    expect(new RecordBuffer(target).encode(checkRecord(record, new ManualClock()), 8)).toBe(37)
    expect(target).toEqual(joined(Buffer.alloc(8, 0xaa), encoded(record), Buffer.alloc(8, 0xaa)))
  })

  it('counts the bytes of its parts, 24 more, and 8 more for each header', () => {
    const headers = [
      { key: 'é', value: Buffer.alloc(3) },
      { key: 'b', value: Buffer.alloc(0) },
    ]
    const record = { ...EMPTY, key: Buffer.alloc(5), value: Buffer.alloc(7), headers }
    expect(recordBytes(record)).toBe(RECORD_OVERHEAD_BYTES + 5 + 7 + 2 + 3 + 1 + 8 * 2)
    expect(recordBytes(EMPTY)).toBe(24)
  })

  it('takes any Uint8Array, including a part of a larger one', () => {
    const part = new Uint8Array([9, 1, 2, 9]).subarray(1, 3)
    const [record] = decoded(encoded({ ...EMPTY, key: part, value: part }), { baseOffset: 0, recordCount: 1 }) ?? []
    expect(record).toMatchObject({ key: Buffer.from([1, 2]), value: Buffer.from([1, 2]) })
  })
})

describe('the records of a frame', () => {
  it('decode to what was encoded, at consecutive offsets', () => {
    const random = new Random(5)
    for (let round = 0; round < 300; round++) {
      const nullValues = random.chance(0.5)
      const records = Array.from({ length: random.int(6) }, () => randomRecord(random, { nullValues }))
      const baseOffset = random.pick([0, 1, 2 ** 32 - 2, 2 ** 53 - 10])
      const body = encoded(...records)
      const attributes = nullValues ? Attribute.NULL_VALUES : 0
      expect(decoded(body, { baseOffset, recordCount: records.length, attributes })).toEqual(
        records.map((record, index) => ({ ...record, offset: BigInt(baseOffset) + BigInt(index) })),
      )
      expect(timestampsOf(body, records.length)).toEqual(records.map(({ timestampMs }) => timestampMs))
    }
  })

  it('are invalid if there is one more, one fewer, or a byte too many', () => {
    const body = encoded(EMPTY, EMPTY)
    for (const recordCount of [0, 1, 3, 2 ** 32 - 1]) {
      expect(decoded(body, { baseOffset: 0, recordCount })).toBeNull()
      expect(timestampsOf(body, recordCount)).toBeNull()
    }
    expect(decoded(joined(body, '\0'), { baseOffset: 0, recordCount: 2 })).toBeNull()
    expect(timestampsOf(joined(body, '\0'), 2)).toBeNull()
  })

  it.each(SHAPES)('are invalid if one with %s is cut anywhere', (_, __, bytes) => {
    for (let length = 0; length < bytes.length; length++) {
      expect(decoded(bytes.subarray(0, length), { baseOffset: 0, recordCount: 1 })).toBeNull()
    }
  })

  const header = [{ key: 'n', value: Buffer.from('v') }]
  it.each([
    ['length 0', EMPTY, 0, 0],
    ['a length below the least', EMPTY, 0, 23],
    ['a length past the body', EMPTY, 0, 25],
    ['the largest length', EMPTY, 0, 2 ** 32 - 1],
    ['a timestamp over 2^53 - 1', EMPTY, 8, 0x0020_0000],
    ['a key length of -2', EMPTY, 12, 2 ** 32 - 2],
    ['a key past the record', EMPTY, 12, 1],
    ['the longest key', EMPTY, 12, 2 ** 31 - 1],
    ['a value past the record', EMPTY, 16, 1],
    ['the longest value', EMPTY, 16, 2 ** 32 - 1],
    ['a header that is not there', EMPTY, 20, 1],
    ['the most headers', EMPTY, 20, 2 ** 32 - 1],
    ['bytes after its last header', { ...EMPTY, headers: header }, 20, 0],
    ['a header key past the record', { ...EMPTY, headers: header }, 24, 3],
    ['the longest header key', { ...EMPTY, headers: header }, 24, 2 ** 32 - 1],
    ['a header value past the record', { ...EMPTY, headers: header }, 29, 2],
    ['the longest header value', { ...EMPTY, headers: header }, 29, 2 ** 32 - 1],
  ])('are invalid if one has %s', (_, record, at, value) => {
    const body = encoded(record)
    body.writeUInt32LE(value, at)
    expect(decoded(body, { baseOffset: 0, recordCount: 1 })).toBeNull()
  })

  it('have no timestamps if one has an impossible length or timestamp', () => {
    for (const [at, value] of [
      [0, 0],
      [0, 23],
      [0, 25],
      [0, 2 ** 32 - 1],
      [8, 0x0020_0000],
    ] as const) {
      const body = encoded(EMPTY)
      body.writeUInt32LE(value, at)
      expect(timestampsOf(body, 1)).toBeNull()
    }
  })

  it('decode to values or to null, and never throw, with any bit flipped', () => {
    const random = new Random(6)
    const records = Array.from({ length: 4 }, () => randomRecord(random, { nullValues: true }))
    const body = encoded(...records)
    for (let bit = 0; bit < 8 * body.length; bit++) {
      expect(() => decoded(flipped(body, bit), { baseOffset: 0, recordCount: 4 })).not.toThrow()
      expect(() => decoded(flipped(body, bit), { baseOffset: 0, recordCount: 4, ...NULL_VALUES })).not.toThrow()
      expect(() => timestampsOf(flipped(body, bit), 4)).not.toThrow()
    }
  })

  it('decode to values or to null, and never throw, whatever the bytes are', () => {
    const random = new Random(7)
    for (let round = 0; round < 3000; round++) {
      const body = Buffer.from(random.bytes(random.int(120)))
      // Most lengths are small, so that decoding gets beyond the first fields.
      for (let at = 0; at + 4 <= body.length; at += 4) if (random.chance(0.8)) body.writeUInt32LE(random.int(40), at)
      expect(() => decoded(body, { baseOffset: 0, recordCount: random.int(4) })).not.toThrow()
      expect(() => decoded(body, { baseOffset: 0, recordCount: random.int(4), ...NULL_VALUES })).not.toThrow()
      expect(() => timestampsOf(body, random.int(4))).not.toThrow()
    }
  })
})

it('some records of a frame are the bytes of these records', () => {
  const parts = ['a', '', 'ccc'].map((value) => encoded({ ...EMPTY, value: Buffer.from(value) }))
  const body = Buffer.concat(parts)
  for (let from = 0; from <= 3; from++) {
    for (let to = from; to <= 3; to++) expect(sliceRecords(body, from, to)).toEqual(joined(...parts.slice(from, to)))
  }
  expect(sliceRecords(body, 0, 4)).toBeNull()
  expect(sliceRecords(body.subarray(0, -1), 0, 3)).toBeNull()
})

it('a slice of records ends at the first impossible length, whatever the count', () => {
  const body = Buffer.alloc(1000)
  expect(sliceRecords(body, 0, 2 ** 32 - 1)).toBeNull()
  body.writeUInt32LE(23, 0)
  expect(sliceRecords(body, 0, 1)).toBeNull()
})

it('records that are skipped must be there, as must those after them', () => {
  const body = Buffer.concat([encoded(EMPTY), encoded({ ...EMPTY, value: Buffer.from('second') })])
  const decoder = new RecordDecoder(body, { ...HEADER, baseOffset: 5, recordCount: 2 })
  expect(decoder.skip(1)).toBe(true)
  expect(decoder.take(1)).toMatchObject([{ offset: 6n, value: Buffer.from('second') }])
  for (const [length, recordCount] of [
    [body.length - 1, 2],
    [body.length, 1],
    [10, 2],
  ] as const) {
    expect(
      new RecordDecoder(body.subarray(0, length), { ...HEADER, baseOffset: 5, recordCount }).skip(recordCount),
    ).toBe(false)
  }
})

it('gives none for a body that is not made of records', () => {
  expect([...eachRecord(Buffer.alloc(8), HEADER)]).toEqual([])
})
