import { runInNewContext } from 'node:vm'
import { ManualClock } from '@sq/sim'
import { describe, expect, it } from 'vitest'
import { resolveConfig } from '../../config.ts'
import type { CheckedRecord, RecordInput } from '../format/record.ts'
import { placed } from './bad-record.ts'
import type { RecordOrigin } from './bad-record.ts'
import { changedPart, checkLimits, checkRecords, recordOf } from './checked-record.ts'

const CLOCK = new ManualClock()
const EMPTY: RecordInput = { key: null, value: Buffer.alloc(0), headers: [], timestampMs: 0 }

/** Takes records, and gives a caller's errors. */
function check(records: unknown, origin: RecordOrigin = { of: 'batch', firstIndex: 0 }): CheckedRecord[] {
  try {
    return checkRecords(records as RecordInput[], CLOCK)
  } catch (error) {
    throw placed(error, origin)
  }
}

/** A proxy of an object that counts how often each field is read, and every other access. */
function counted<T extends object>(target: T): { readonly proxy: T; readonly reads: Record<string, number> } {
  const reads: Record<string, number> = {}
  const proxy = new Proxy(target, {
    get(object, property, receiver) {
      reads[String(property)] = (reads[String(property)] ?? 0) + 1
      return Reflect.get(object, property, receiver)
    },
  })
  return { proxy, reads }
}

describe('a record that is refused', () => {
  const bytes = Buffer.alloc(1)
  it.each([
    [{ key: 'text' }, TypeError, 'key must be a Uint8Array or null, not "text"'],
    [{ value: undefined }, TypeError, 'value must be a Uint8Array or null, not undefined'],
    [{ value: [1] }, TypeError, 'value must be a Uint8Array or null, not an object (Array)'],
    [{ value: new Uint16Array(1) }, TypeError, 'value must be a Uint8Array or null, not an object (Uint16Array)'],
    [{ timestampMs: 1n }, TypeError, 'timestampMs must be a number, not 1n'],
    [{ timestampMs: -1 }, RangeError, 'timestampMs must be a whole number of milliseconds from 0 to 2^53 - 1: -1'],
    [{ timestampMs: 0.5 }, RangeError, 'timestampMs must be a whole number of milliseconds from 0 to 2^53 - 1: 0.5'],
    [
      { timestampMs: Number.NaN },
      RangeError,
      'timestampMs must be a whole number of milliseconds from 0 to 2^53 - 1: NaN',
    ],
    [
      { timestampMs: 2 ** 53 },
      RangeError,
      'timestampMs must be a whole number of milliseconds from 0 to 2^53 - 1: 9007199254740992',
    ],
    [{ headers: null }, TypeError, 'headers must be an array of { key, value }, not null'],
    [{ headers: new Map() }, TypeError, 'headers must be an array of { key, value }, not an object (Map)'],
    [{ headers: [null] }, TypeError, 'headers[0].key must be a string, not undefined'],
    [
      {
        headers: [
          { key: 'a', value: bytes },
          { key: 1, value: bytes },
        ],
      },
      TypeError,
      'headers[1].key must be a string, not 1',
    ],
    [{ headers: [{ key: '\ud800', value: bytes }] }, RangeError, 'headers[0].key must be well-formed Unicode'],
    [{ headers: [{ key: 'a', value: 'text' }] }, TypeError, 'headers[0].value must be a Uint8Array, not "text"'],
  ])('has an error that names the wrong part: %o', (part, kind, message) => {
    const wrong = { ...EMPTY, ...part } as unknown as RecordInput
    const alone = () => check([wrong], { of: null, firstIndex: 0 })
    expect(alone).toThrow(kind)
    expect(alone).toThrow(message)
    const field = message.slice(0, message.indexOf(' '))
    expect(alone).toThrow(expect.objectContaining({ code: 'SQ_WAL_BAD_RECORD', index: 0, field }))
    const inBatch = () => check([EMPTY, EMPTY, wrong])
    expect(inBatch).toThrow(kind)
    expect(inBatch).toThrow(expect.objectContaining({ code: 'SQ_WAL_BAD_RECORD', index: 2, field }))
    expect(inBatch).toThrow(/^record 2 of the batch: /)
  })
})

describe('a record', () => {
  const value = Buffer.from('v')

  it('has every field read once, and those of its headers', () => {
    const header = counted({ key: 'n', value })
    const headers = counted([header.proxy])
    const record = counted({ key: value, value, headers: headers.proxy, timestampMs: 1 })
    const records = counted([record.proxy])
    checkRecords(records.proxy, CLOCK)
    expect(records.reads).toEqual({ length: 1, 0: 1 })
    expect(record.reads).toEqual({ key: 1, value: 1, headers: 1, timestampMs: 1 })
    expect(headers.reads).toEqual({ length: 1, 0: 1 })
    expect(header.reads).toEqual({ key: 1, value: 1 })
  })

  it.each([
    [null, 'record 1 of the batch: a record must be an object, not null'],
    [undefined, 'record 1 of the batch: a record must be an object, not undefined'],
    ['text', 'record 1 of the batch: a record must be an object, not "text"'],
  ])('that is not an object is refused: %j', (record, message) => {
    const checking = () => check([EMPTY, record])
    expect(checking).toThrow(TypeError)
    expect(checking).toThrow(message)
    expect(checking).toThrow(expect.objectContaining({ code: 'SQ_WAL_BAD_RECORD', index: 1, field: null }))
  })

  it('has no key, no headers and the time of the clock, if they are not given', () => {
    const clock = new ManualClock(1234)
    const filled = { ...EMPTY, value, timestampMs: 1234 }
    expect(checkRecords([{ value }], clock)).toMatchObject([filled])
    const given = { value, key: undefined, headers: undefined, timestampMs: undefined }
    expect(checkRecords([given], clock)).toMatchObject([filled])
    expect(checkRecords([{ value }], new ManualClock(-0.5))).toMatchObject([{ timestampMs: 0 }])
  })

  it('may have the offset that it was read with', () => {
    expect(checkRecords([{ ...EMPTY, offset: 7n } as RecordInput], CLOCK)).toHaveLength(1)
  })

  it.each([
    ['timestamp', '"timestamp"'],
    ['a\nb', String.raw`"a\nb"`],
    ['x'.repeat(100), `"${'x'.repeat(61)}..."`],
  ])('with an unknown field is refused: %j', (field, shown) => {
    const checking = () => check([EMPTY, { ...EMPTY, [field]: 1 }])
    expect(checking).toThrow(TypeError)
    expect(checking).toThrow(`record 1 of the batch: ${shown} is not a field of a record`)
    expect(checking).toThrow(expect.objectContaining({ code: 'SQ_WAL_BAD_RECORD', index: 1, field }))
  })

  it('with a value that cannot be shown is refused like any other', () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    expect(() => check([{ ...EMPTY, value: proxy }])).toThrow('value must be a Uint8Array')
  })

  it('may be made of arrays of another realm', () => {
    const foreign = runInNewContext(`({
      key: new Uint8Array([1]),
      value: new Uint8Array([2, 3]),
      headers: [{ key: 'n', value: new Uint8Array([4]) }],
      timestampMs: 5,
    })`) as RecordInput
    const [checked] = checkRecords(runInNewContext('(record) => [record]')(foreign) as RecordInput[], CLOCK)
    expect(checked).toMatchObject({
      keyBytes: 1,
      valueBytes: 2,
      headers: [{ valueBytes: 1 }],
      encodedBytes: 24 + 3 + 10,
    })
  })
})

/** What `checkLimits` returns for values of these lengths, with limits of 100 bytes. A record adds 24 bytes. */
function limited(...valueBytes: number[]): number {
  const records = valueBytes.map((bytes) => recordOf(null, Buffer.alloc(bytes), [], 0))
  const config = resolveConfig({ dataDir: '/data', maxRecordBytes: 100, maxBatchBytes: 100 })
  return checkLimits(records, config, Infinity)
}

describe('the limits of an append', () => {
  it.each([[[100]], [[26, 26]], [[0, 0, 0, 4]]])('allow values of %j bytes', (valueBytes) => {
    expect(limited(...valueBytes)).toBe(valueBytes.reduce((sum, bytes) => sum + 24 + bytes, 0))
  })

  it.each([
    [[101], 'the record holds 101 bytes, maxRecordBytes is 100', 0],
    [[0, 101], 'the record holds 101 bytes, maxRecordBytes is 100', 1],
    [[26, 27], 'the batch takes 101 bytes, maxBatchBytes is 100', null],
    [[], 'a batch must hold at least one record', null],
  ])('forbid values of %j bytes: %s', (valueBytes, message, nth) => {
    expect(() => limited(...valueBytes)).toThrow(expect.objectContaining({ message, nth }))
  })
})

describe('the error for a changed record names the part whose length is not the one counted', () => {
  const value = Buffer.from('v')
  const headers = ['a', 'b'].map((key) => ({ key, value }))
  const [whole, plain] = [recordOf(value, value, headers, 0), recordOf(null, value, headers, 0)]

  it.each<[string, CheckedRecord]>([
    ['key', { ...whole, keyBytes: 0 }],
    ['value', { ...whole, valueBytes: 0 }],
    ['value', { ...plain, valueBytes: 0 }],
    ['headers[0].value', { ...whole, headers: whole.headers.with(0, { key: 'a', value, valueBytes: 0 }) }],
    ['headers[1].value', { ...plain, headers: plain.headers.with(1, { key: 'b', value, valueBytes: 0 }) }],
  ])('%s', (field, record) => {
    expect(changedPart(record)).toMatchObject({ field, message: `${field} changed its length while it was appended` })
  })
})
