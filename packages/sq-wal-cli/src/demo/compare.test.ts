import type { LogRecord, RecordHeader } from '@sq/storage'
import { describe, expect, it } from 'vitest'
import { compareRecords, type Comparison } from './compare.ts'

function header(key: string, value: string): RecordHeader {
  return { key, value: Buffer.from(value) }
}

const input: Omit<LogRecord, 'offset'>[] = ['a', 'b', 'c', 'd'].map((text, index) => ({
  key: index === 1 ? null : Buffer.from(`key of ${text}`),
  value: Buffer.from(text),
  timestampMs: index,
  headers: [header('index', String(index))],
}))
const written: LogRecord[] = input.map((record, index) => ({ ...record, offset: BigInt(index) }))
const afterLast: LogRecord[] = written.slice(3).map((record) => ({ ...record, offset: 4n }))

async function* streamOf<T>(items: readonly T[], failure?: Error): AsyncGenerator<T> {
  yield* items
  if (failure !== undefined) throw failure
}

function compareWith(log: readonly LogRecord[], failure?: Error): Promise<Comparison> {
  return compareRecords(streamOf(input), streamOf(log, failure))
}

function withThird(change: Partial<LogRecord>): LogRecord[] {
  return written.map((record, index) => (index === 2 ? { ...record, ...change } : record))
}

it('a log that holds the input is intact', async () => {
  expect(await compareWith(written)).toEqual({ expected: 4, intact: 4, differences: [] })
})

describe('a log is not intact when', () => {
  it.each<[string, LogRecord[], number, RegExp]>([
    ['a value differs', withThird({ value: Buffer.from('x') }), 3, /record 2: value "x" instead of "c"/],
    ['a value is cut short', withThird({ value: Buffer.alloc(0) }), 3, /record 2: value "" instead of "c"/],
    ['a key differs', withThird({ key: Buffer.from('x') }), 3, /record 2: key "x" instead of "key of c"/],
    ['a key is missing', withThird({ key: null }), 3, /record 2: key null instead of "key of c"/],
    ['a timestamp differs', withThird({ timestampMs: 7 }), 3, /record 2: timestamp 7 instead of 2/],
    ['a header is missing', withThird({ headers: [] }), 3, /record 2: the headers differ/],
    ['a header has another key', withThird({ headers: [header('x', '2')] }), 3, /the headers differ/],
    ['a header has another value', withThird({ headers: [header('index', 'x')] }), 3, /the headers differ/],
    ['a record is missing', written.toSpliced(2, 1), 3, /record 2 is missing/],
    ['the last record is missing', written.slice(0, 3), 3, /record 3 is missing/],
    ['it is empty', [], 0, /record 0 is missing/],
    ['a record comes twice', [...written.slice(0, 2), ...written.slice(1)], 4, /offset 1 comes after offset 1/],
    ['it has more records', [...written, ...afterLast], 4, /the log has more records than the input, from offset 4 on/],
  ])('%s', async (_, log, intact, message) => {
    const comparison = await compareWith(log)
    expect(comparison).toMatchObject({ expected: 4, intact })
    expect(comparison.differences[0]).toMatch(message)
    expect(comparison.differences.length).toBe(Math.max(4 - intact, 1))
  })

  it('reading it fails', async () => {
    const comparison = await compareWith(written.slice(0, 2), new Error('checksum differs'))
    expect(comparison).toMatchObject({ expected: 4, intact: 2 })
    expect(comparison.differences).toEqual(['reading the log failed: checksum differs'])
  })
})

it('only the first few differences are reported', async () => {
  const long = Array.from({ length: 25 }, () => input).flat()
  const comparison = await compareRecords(streamOf(long), streamOf([]))
  expect(comparison).toMatchObject({ expected: 100, intact: 0 })
  expect(comparison.differences).toHaveLength(10)
})

it('rejects when the input itself cannot be read', async () => {
  await expect(compareRecords(streamOf(input, new Error('gone')), streamOf(written))).rejects.toThrow('gone')
})
