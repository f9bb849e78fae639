import { beforeEach, describe, expect, it } from 'vitest'
import {
  ClosedError,
  CorruptLogError,
  LogNotFoundError,
  OffsetOutOfRangeError,
  UnsupportedFormatError,
  WalIoError,
  WalReader,
} from '../index.ts'
import type { ReadOptions, WalConfig } from '../index.ts'
import { flipped } from '../testing/hand-bytes.ts'
import { append, appendAll, appendEach, bytes, LogFixture, numbered, TIMESTAMP_MS } from '../testing/log-fixture.ts'
import { SegmentBytes } from '../testing/segment-bytes.ts'

let log: LogFixture

beforeEach(() => {
  log = new LogFixture()
})

function openReader(): Promise<WalReader> {
  return WalReader.open(log.fs, log.config, 'orders', 0)
}

describe('open', () => {
  it.each([
    ['no data directory', () => Promise.resolve()],
    ['no such topic', () => log.fs.mkdir('/data/others/0')],
    ['no such partition', () => log.fs.mkdir('/data/orders/1')],
    ['a file in its place', () => log.fs.mkdir('/data/orders').then(() => log.make(log.directory, bytes('file')))],
  ])('rejects with LogNotFoundError where there is %s', async (_, prepare) => {
    await prepare()
    const error: unknown = await openReader().catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(LogNotFoundError)
    expect(error).toMatchObject({ code: 'SQ_WAL_NOT_FOUND', path: log.directory })
  })

  it('rejects a bad config, topic or partition before anything is touched', async () => {
    const open = (config: WalConfig, topic: string, partition: number) =>
      WalReader.open(log.fs, config, topic, partition)
    await expect(open({ dataDir: '' }, 'orders', 0)).rejects.toThrow(RangeError)
    await expect(open(log.config, '../x', 0)).rejects.toThrow(RangeError)
    await expect(open(log.config, 'orders', -1)).rejects.toThrow(RangeError)
    expect(log.fs.operations.count()).toBe(0)
  })

  it('rejects with WalIoError if the file system fails', async () => {
    log.fs.faults.failNext('stat', 'EACCES')
    await expect(openReader()).rejects.toThrow(WalIoError)
  })
})

describe('read', () => {
  it('returns records as they were appended', async () => {
    const writer = await log.open()
    const headers = [{ key: 'é', value: bytes('1') }]
    await writer.append(bytes('key'), bytes('value'), headers, TIMESTAMP_MS)
    await writer.append(null, bytes(''), [], 0)
    expect(await log.records()).toEqual([
      { offset: 0n, key: bytes('key'), value: bytes('value'), headers, timestampMs: TIMESTAMP_MS },
      { offset: 1n, key: null, value: bytes(''), headers: [], timestampMs: 0 },
    ])
  })

  it("begins at any offset, also inside a batch and at the log's end", async () => {
    const writer = await log.open()
    const values = numbered(12)
    await appendEach(writer, values.slice(0, 3))
    await writer.appendBatch(
      values.slice(3, 7).map((value) => ({ key: null, value: bytes(value), headers: [], timestampMs: 1 })),
    )
    await writer.closeActiveSegment()
    await appendAll(writer, values.slice(7))
    await writer.close()
    for (let from = 0; from <= values.length; from++) {
      const records = await log.records(BigInt(from))
      expect(records.map(({ value }) => String(value))).toEqual(values.slice(from))
      expect(records.map(({ offset }) => offset)).toEqual(values.slice(from).map((_, index) => BigInt(from + index)))
    }
  })

  it.each([
    ['with a writer', true],
    ['without one', false],
  ])('refuses an offset after the end, %s', async (_, live) => {
    const writer = await log.open()
    await appendEach(writer, ['a', 'b'])
    if (!live) await writer.close()
    for (const from of [3n, 4n, 2n ** 53n - 1n]) {
      const { values, error } = await log.outcome({ from })
      expect(values).toEqual([])
      expect(error).toBeInstanceOf(OffsetOutOfRangeError)
      expect(error).toMatchObject({ code: 'SQ_WAL_OFFSET_OUT_OF_RANGE', offset: from, firstOffset: 0n, nextOffset: 2n })
    }
  })

  it('refuses an offset before the first one left', async () => {
    const first = new SegmentBytes().records('a').seal()
    await log.makeSegments(new SegmentBytes({ baseOffset: 1, previous: first.link }).records('b'))
    expect(await log.outcome({ from: 0n })).toMatchObject({ values: [], error: { offset: 0n, firstOffset: 1n } })
    expect(await log.outcome()).toEqual({ values: ['b'], error: null })
  })

  it.each([
    [-1n, RangeError, 'from must be an offset from 0 to 2^53 - 1: -1'],
    [2n ** 53n, RangeError, 'from must be an offset from 0 to 2^53 - 1: 9007199254740992'],
    [0, TypeError, 'from must be a bigint, not 0'],
    ['0', TypeError, 'from must be a bigint, not "0"'],
    [null, TypeError, 'from must be a bigint, not null'],
  ])('refuses %o for an offset', async (from, kind, message) => {
    await log.makeSegments()
    const { error } = await log.outcome({ from } as unknown as ReadOptions)
    expect(error).toEqual(new kind(message))
  })

  it('returns nothing of a log without records', async () => {
    await log.makeSegments()
    expect(await log.outcome()).toEqual({ values: [], error: null })
    expect(await log.outcome({ from: 0n })).toEqual({ values: [], error: null })
    expect((await log.outcome({ from: 1n })).error).toBeInstanceOf(OffsetOutOfRangeError)
    const writer = await log.open()
    expect(await log.outcome()).toEqual({ values: [], error: null })
    await writer.close()
    expect(await log.outcome({ from: 0n })).toEqual({ values: [], error: null })
  })

  it('continues across sealed and abandoned segments', async () => {
    log = new LogFixture({ maxSegmentBytes: 300 })
    const writer = await log.open()
    const values = numbered(20)
    for (const [index, value] of values.entries()) {
      if (index % 7 === 3) {
        log.fs.faults.failNext('sync', 'EIO')
        await expect(append(writer, 'rejected')).rejects.toThrow('EIO')
      }
      await append(writer, value)
    }
    expect(await log.outcome()).toEqual({ values, error: null })
    await writer.close()
    expect(await log.outcome()).toEqual({ values, error: null })
    expect((await log.segmentNames()).length).toBeGreaterThan(6)
  })

  it('takes no lock, writes nothing, and keeps nothing open', async () => {
    await log.makeSegments(new SegmentBytes().records('a').records('b').mark(8))
    await log.make(`${log.directory}/next.tmp`, bytes('half'))
    log.fs.operations.resetCounts()
    expect((await log.outcome()).values).toEqual(['a', 'b'])
    const { operations } = log.fs
    const reading = ['open', 'read', 'size', 'close', 'readdir', 'stat'] as const
    expect(operations.count()).toBe(reading.reduce((sum, operation) => sum + operations.count(operation), 0))
    expect(log.fs.openHandles).toBe(0)
  })

  it('works in a directory that may not be written', async () => {
    await log.makeSegments(new SegmentBytes().records('a'))
    const changing = [
      'create',
      'write',
      'sync',
      'truncate',
      'mkdir',
      'unlink',
      'rename',
      'syncDirectory',
      'lock',
    ] as const
    log.fs.faults.failAlways(changing, 'EROFS')
    expect(await log.outcome()).toEqual({ values: ['a'], error: null })
  })
})

describe('read stops at', () => {
  it('damage in a middle segment, and returns all records before the damage', async () => {
    const first = new SegmentBytes().records('a').seal()
    const second = new SegmentBytes({ baseOffset: 1, previous: first.link }).records('b').records('c', 'd').seal()
    const third = new SegmentBytes({ baseOffset: 4, previous: second.link }).records('e')
    const { position: from } = second.at(1)
    await log.makeSegments(first, { baseOffset: 1, bytes: flipped(second.bytes, 8 * (from + 70)) }, third)
    const { values, error } = await log.outcome()
    expect(values).toEqual(['a', 'b'])
    expect(error).toBeInstanceOf(CorruptLogError)
    expect(error).toMatchObject({ path: log.path(1), from, firstOffset: 2n, lastOffset: 3n })
    expect(log.fs.openHandles).toBe(0)
  })

  it('a frame that verifies but is not made of records', async () => {
    const segment = new SegmentBytes().records('a').frame({ type: 2, recordCount: 2 }, Buffer.alloc(24))
    await log.makeSegments(segment)
    const { values, error } = await log.outcome()
    expect(values).toEqual(['a'])
    expect(error).toBeInstanceOf(CorruptLogError)
    expect(error).toMatchObject({ from: segment.at(1).position, firstOffset: 1n, lastOffset: 2n })
    expect(log.fs.openHandles).toBe(0)
    // Even if only its second record is wanted.
    await expect(log.records(2n)).rejects.toThrow(CorruptLogError)
    await expect(log.open()).rejects.toMatchObject({ code: 'SQ_WAL_CORRUPT', firstOffset: 1n, lastOffset: 2n })
  })

  it('a frame of an unknown kind, and returns the records before the frame', async () => {
    const segment = new SegmentBytes().records('a').frame({ type: 9 }, Buffer.alloc(0)).records('b')
    await log.makeSegments(segment)
    const { values, error } = await log.outcome()
    expect(values).toEqual(['a'])
    expect(error).toBeInstanceOf(UnsupportedFormatError)
  })

  it.each(['open', 'read', 'size', 'readdir'] as const)(
    'a failed %s, which is an error and not the end',
    async (operation) => {
      await log.makeSegments(new SegmentBytes().records('a'))
      log.fs.faults.failNext(operation, 'EIO')
      const { values, error } = await log.outcome()
      expect(values).toEqual([])
      expect(error).toBeInstanceOf(WalIoError)
      expect(error).toMatchObject({ code: 'SQ_WAL_IO', cause: { code: 'EIO' } })
      expect(log.fs.openHandles).toBe(0)
    },
  )

  it('no flipped bit that a second read corrects', async () => {
    await log.makeSegments(new SegmentBytes().records('a').records('b').records('c'))
    log.fs.faults.add({ on: 'read', when: { nth: 2 }, fault: { flipBit: 8 * 100 } })
    expect(await log.outcome()).toEqual({ values: ['a', 'b', 'c'], error: null })
  })
})

describe('an iteration', () => {
  it('that is ended early releases its files', async () => {
    await log.makeSegments(new SegmentBytes().records('a').records('b'))
    for await (const record of (await openReader()).read()) {
      expect(record.offset).toBe(0n)
      expect(log.fs.openHandles).toBe(1)
      break
    }
    expect(log.fs.openHandles).toBe(0)
  })

  it('does not affect another iteration of the same reader', async () => {
    await log.makeSegments(new SegmentBytes().records('a').records('b'))
    const reader = await openReader()
    const [one, other] = [reader.read(), reader.read({ from: 1n })]
    const offsets = [await one.next(), await other.next(), await one.next()].map(({ value }) => value?.offset)
    expect(offsets).toEqual([0n, 1n, 1n])
    expect([await one.next(), await other.next()]).toEqual([
      { done: true, value: undefined },
      { done: true, value: undefined },
    ])
  })

  it.each([
    ['close', (reader: WalReader) => reader.close()],
    ['await using', (reader: WalReader) => reader[Symbol.asyncDispose]()],
  ])('ends with ClosedError once the reader is closed by %s, and releases its files', async (_, close) => {
    await log.makeSegments(new SegmentBytes().records('a', 'b').records('c'))
    const reader = await openReader()
    const iteration = reader.read()
    await iteration.next()
    await close(reader)
    await close(reader)
    await expect(iteration.next()).rejects.toThrow(ClosedError)
    expect(log.fs.openHandles).toBe(0)
    await expect(reader.read().next()).rejects.toMatchObject({ code: 'SQ_WAL_CLOSED' })
  })

  it('that has returned everything asked for ends with ClosedError if the reader is closed before it ends', async () => {
    await log.makeSegments(new SegmentBytes().records('a'))
    const reader = await openReader()
    const iteration = reader.read({ maxRecords: 1 })
    await iteration.next()
    await reader.close()
    await expect(iteration.next()).rejects.toThrow(ClosedError)
    expect(await iteration.next()).toEqual({ done: true, value: undefined })
    expect(log.fs.openHandles).toBe(0)
  })

  it('returns bytes that later reads do not change', async () => {
    const values = Array.from({ length: 30 }, (_, i) => Buffer.alloc(30_000, i))
    const writer = await log.open()
    await appendEach(writer, values)
    const records = await log.records()
    expect(records.every(({ value }, i) => Buffer.from(value ?? '').equals(values[i] ?? bytes('')))).toBe(true)
  })
})

it('counts the records it returned, the commits they were in, and the bytes of those', async () => {
  const writer = await log.open()
  await appendAll(writer, ['a', 'b'])
  await append(writer, 'c')
  const reader = await WalReader.open(log.fs, log.config, 'orders', 0)
  const before = reader.stats()
  expect(before).toEqual({ records: 0, commits: 0, bytes: 0 })
  for await (const { offset } of reader.read({ from: 1n })) if (offset === 1n) break
  expect(reader.stats()).toEqual({ records: 1, commits: 1, bytes: 96 })
  for await (const { offset } of reader.read()) expect(offset).toBeLessThan(3n)
  expect(reader.stats()).toEqual({ records: 4, commits: 3, bytes: 264 })
  for await (const { recordCount } of reader.readBatches({ to: 2n })) expect(recordCount).toBe(2)
  expect(reader.stats()).toEqual({ records: 6, commits: 4, bytes: 360 })
  expect(before.records).toBe(0)
})
