/** What a fetch returns, in the process of the writer and in another one. */
import { beforeEach, describe, expect, it, test } from 'vitest'
import { CorruptLogError, LogNotFoundError, OffsetOutOfRangeError, WalReader } from '../../index.ts'
import type { FetchOptions, WalWriter } from '../../index.ts'
import { fetched, openInAnotherProcess, openReader, PROCESSES } from '../../testing/fetching.ts'
import { append, appendBatch, appendEach, LogFixture, numbered, TIMESTAMP_MS } from '../../testing/log-fixture.ts'
import { quiet } from '../../testing/quiet.ts'
import { SegmentBytes } from '../../testing/segment-bytes.ts'

let log: LogFixture

beforeEach(() => {
  log = new LogFixture()
})

describe.each(PROCESSES)('a fetch %s', (_, open) => {
  let writer: WalWriter
  let reader: WalReader

  beforeEach(async () => {
    writer = await log.open()
    await appendBatch(writer, ['a', 'b', 'c'])
    await append(writer, 'd')
    reader = await open(log)
  })

  it.each<[string, FetchOptions, string, bigint]>([
    ['from the start', { from: 0n }, 'abcd', 4n],
    ['from inside a commit', { from: 1n }, 'bcd', 4n],
    ['up to the end of a commit', { from: 0n, to: 3n }, 'abc', 3n],
    ['up to an offset inside a commit', { from: 0n, to: 2n }, 'ab', 2n],
    ['of a part of a commit', { from: 1n, to: 2n }, 'b', 2n],
    ['of no more bytes than one batch has', { from: 0n, maxBytes: 1 }, 'abc', 3n],
    ['from the end', { from: 4n }, '', 4n],
    ['from where it ends', { from: 2n, to: 2n }, '', 2n],
    ['from the end, where it ends', { from: 4n, to: 4n, maxWaitMs: Infinity }, '', 4n],
    ['from behind where it ends', { from: 3n, to: 1n, maxWaitMs: Infinity }, '', 3n],
  ])('%s returns what is there', async (__, options, values, nextOffset) => {
    expect(await fetched(reader, options)).toMatchObject({ values: values.split(''), logStartOffset: 0n, nextOffset })
  })

  it('from behind `to` returns nothing, is not refused, and has `to` as its high watermark', async () => {
    const nothing = { batches: [], logStartOffset: 0n, nextOffset: 3n, highWatermark: 1n }
    expect(await reader.fetch({ from: 3n, to: 1n, minBytes: 1000, maxWaitMs: Infinity })).toEqual(nothing)
    await expect(reader.fetch({ from: 5n, to: 1n })).rejects.toMatchObject({ code: 'SQ_WAL_OFFSET_OUT_OF_RANGE' })
  })

  it('returns no more than maxBytes after the first batch', async () => {
    const bytes = (await reader.fetch({ from: 0n })).batches.map((batch) => batch.bytes.length)
    const both = (bytes[0] ?? 0) + (bytes[1] ?? 0)
    expect((await reader.fetch({ from: 0n, maxBytes: both - 1 })).nextOffset).toBe(3n)
    expect((await reader.fetch({ from: 0n, maxBytes: both })).nextOffset).toBe(4n)
  })

  it.each([
    [5n, {}, { firstOffset: 0n, nextOffset: 4n }],
    [9n, {}, { firstOffset: 0n, nextOffset: 4n }],
    [9n, { to: 5n }, { firstOffset: 0n, nextOffset: 4n }],
  ])('rejects from offset %d, beyond the end, with both bounds (%o)', async (from, options, bounds) => {
    const given = { from, maxWaitMs: Infinity, ...options }
    const error: unknown = await reader.fetch(given).catch((failure: unknown) => failure)
    expect(error).toBeInstanceOf(OffsetOutOfRangeError)
    expect(error).toMatchObject({ offset: from, ...bounds })
  })

  it('rejects from before the log start offset, also where an earlier fetch ended, with both bounds', async () => {
    expect((await reader.fetch({ from: 0n, to: 2n })).nextOffset).toBe(2n)
    await writer.closeActiveSegment()
    await append(writer, 'e')
    await writer.deleteSegments({ belowOffset: 4n })
    for (const from of [0n, 2n, 3n]) {
      await expect(reader.fetch({ from })).rejects.toMatchObject({
        code: 'SQ_WAL_OFFSET_OUT_OF_RANGE',
        offset: from,
        firstOffset: 4n,
      })
    }
    expect(await fetched(reader, { from: 4n })).toMatchObject({ values: ['e'], logStartOffset: 4n, nextOffset: 5n })
  })

  it('goes on where the last one ended, after a truncation and after the writer was opened again', async () => {
    await append(writer, 'e')
    expect(await fetched(reader, { from: 0n })).toMatchObject({ nextOffset: 5n })
    await writer.truncate(2n)
    await appendEach(writer, ['x', 'y', 'z'])
    expect(await fetched(reader, { from: 5n })).toMatchObject({ values: [], nextOffset: 5n })
    expect(await fetched(reader, { from: 0n })).toMatchObject({ values: ['a', 'b', 'x', 'y', 'z'], nextOffset: 5n })
    await writer.close()
    writer = await log.open()
    await append(writer, 'f')
    expect(await fetched(reader, { from: 5n })).toMatchObject({ values: ['f'], nextOffset: 6n })
  })

  it('finds again what it took and did not return', async () => {
    await appendBatch(writer, ['e', 'f', 'g', 'h'])
    const seen: string[] = []
    for (let from = 0n, to = 1n; to <= 8n; to++) {
      const { values, nextOffset } = await fetched(reader, { from, to })
      expect(nextOffset).toBe(to)
      seen.push(...values)
      from = nextOffset
    }
    expect(seen).toEqual('abcdefgh'.split(''))
  })

  it('leaves nothing open once the reader is closed', async () => {
    await appendEach(writer, numbered(20))
    const held = log.fs.openHandles
    await Promise.all([0n, 1n, 2n, 3n].map((from) => reader.fetch({ from, maxBytes: 1 })))
    await reader.close()
    await quiet()
    expect(log.fs.openHandles).toBe(held)
  })
})

describe('in the process of the writer', () => {
  it('the high watermark is that of the writer, or `to` if that is less', async () => {
    const writer = await log.open()
    await appendEach(writer, ['a', 'b', 'c'])
    const reader = await openReader(log)
    expect((await reader.fetch({ from: 0n, maxBytes: 1 })).highWatermark).toBe(3n)
    expect((await reader.fetch({ from: 0n, to: 2n })).highWatermark).toBe(2n)
    expect((await reader.fetch({ from: 0n, to: 9n })).highWatermark).toBe(3n)
  })

  it('a commit that is not durable is not returned', async () => {
    const writer = await log.open()
    await append(writer, 'a')
    const reader = await openReader(log)
    const held = log.fs.faults.hold('sync')
    const appended = append(writer, 'b')
    await held.reached
    expect(await fetched(reader, { from: 0n })).toMatchObject({ values: ['a'], highWatermark: 1n, nextOffset: 1n })
    held.release()
    await appended
    expect(await fetched(reader, { from: 1n })).toMatchObject({ values: ['b'], highWatermark: 2n })
  })
})

describe('in another process', () => {
  it('the high watermark is as far as the fetch came, or as the names of the segments tell', async () => {
    log = new LogFixture({ maxSegmentBytes: 300 })
    const writer = await log.open()
    await appendEach(writer, numbered(10))
    const names = await log.segmentNames()
    const lastBase = BigInt(Number.parseInt(names.at(-1) ?? '', 10))
    expect(lastBase).toBeGreaterThan(2n)
    const reader = await openInAnotherProcess(log)
    expect((await reader.fetch({ from: 0n, maxBytes: 1 })).highWatermark).toBe(lastBase)
    expect((await reader.fetch({ from: 0n })).highWatermark).toBe(10n)
    expect((await reader.fetch({ from: 0n, to: 1n })).highWatermark).toBe(1n)
  })

  it('a log that was deleted is not found, and one that took its place is read', async () => {
    const writer = await log.open()
    await append(writer, 'a')
    await writer.close()
    const reader = await openInAnotherProcess(log)
    expect((await reader.fetch({ from: 0n })).nextOffset).toBe(1n)
    await log.fs.rename(log.directory, '/data/orders/old')
    await expect(reader.fetch({ from: 1n })).rejects.toThrow(LogNotFoundError)
    const other = await log.open()
    await appendEach(other, ['x', 'y'])
    expect(await fetched(reader, { from: 1n })).toMatchObject({ values: ['y'], nextOffset: 2n })
  })
})

describe('an opaque batch', () => {
  it('that ends after `to` is left out, and one that begins before `from` is whole', async () => {
    await log.makeSegments(
      new SegmentBytes()
        .records('a', 'b')
        .opaque('packed', { recordCount: 3, metadata: null, minTimestampMs: 0, maxTimestampMs: TIMESTAMP_MS })
        .records('f'),
    )
    const reader = await openReader(log)
    const of = async (options: FetchOptions) => {
      const { batches, nextOffset } = await reader.fetch(options)
      return [batches.map((batch) => batch.baseOffset), nextOffset]
    }
    expect(await of({ from: 0n, to: 4n, maxWaitMs: Infinity })).toEqual([[0n], 2n])
    expect(await of({ from: 2n, to: 4n, maxWaitMs: Infinity })).toEqual([[], 2n])
    expect(await of({ from: 2n, to: 5n })).toEqual([[2n], 5n])
    expect(await of({ from: 3n })).toEqual([[2n, 5n], 6n])
  })

  it('that ends after `to`, at the end of the log, is found by the fetch that may return it', async () => {
    await log.makeSegments(
      new SegmentBytes()
        .records('a')
        .opaque('packed', { recordCount: 3, metadata: null, minTimestampMs: 0, maxTimestampMs: TIMESTAMP_MS }),
    )
    const reader = await openReader(log)
    expect((await reader.fetch({ from: 0n, to: 2n, maxWaitMs: Infinity })).nextOffset).toBe(1n)
    expect((await reader.fetch({ from: 1n, to: 4n })).nextOffset).toBe(4n)
  })
})

test('what is before damage is returned, and the fetch that begins there rejects', async () => {
  const segment = new SegmentBytes().records('a').records('b').records('c')
  const { bytes } = segment
  bytes[segment.at(1).position + 45] = 0xff
  await log.makeSegments({ baseOffset: 0, bytes })
  const reader = await openReader(log)
  expect((await reader.fetch({ from: 0n, to: 1n, maxWaitMs: Infinity })).nextOffset).toBe(1n)
  expect((await reader.fetch({ from: 0n, minBytes: 1000, maxWaitMs: Infinity })).nextOffset).toBe(1n)
  await expect(reader.fetch({ from: 1n })).rejects.toThrow(CorruptLogError)
  expect(log.fs.openHandles).toBe(0)
})

test('after damage, the batches before it are returned, then the error, and once it is repaired what follows', async () => {
  const segment = new SegmentBytes().records('a').records('b').records('c')
  const sound = Buffer.from(segment.bytes)
  const damaged = Buffer.from(sound)
  damaged[segment.at(1).position + 45] = 0xff
  await log.makeSegments({ baseOffset: 0, bytes: damaged })
  const reader = await openReader(log)
  expect(await fetched(reader, { from: 0n })).toMatchObject({ values: ['a'], nextOffset: 1n })
  await expect(reader.fetch({ from: 1n })).rejects.toThrow(CorruptLogError)
  await log.overwrite(log.path(0), sound)
  expect(await fetched(reader, { from: 1n })).toMatchObject({ values: ['b', 'c'], nextOffset: 3n })
  await reader.close()
  expect(log.fs.openHandles).toBe(0)
})

test('an error of what an earlier fetch kept is not reported if the fetch succeeds when it begins again', async () => {
  const writer = await log.open()
  for (let count = 0; count < 4; count++) await append(writer, Buffer.alloc(500_000))
  const reader = await openReader(log)
  expect(await reader.fetch({ from: 0n, maxBytes: 1 })).toMatchObject({ nextOffset: 1n })
  const failure = log.fs.faults.failNext('read', 'EIO')
  expect(await reader.fetch({ from: 1n, maxBytes: 1 })).toMatchObject({ nextOffset: 2n })
  expect(failure.hits).toBe(1)
  log.fs.faults.failAlways('read', 'EIO')
  await expect(reader.fetch({ from: 2n, maxBytes: 1 })).rejects.toThrow(/EIO/)
})

describe('a fetch refuses', () => {
  it.each<[unknown, new (message: string) => Error, string]>([
    [undefined, TypeError, 'the options of fetch must be an object, not undefined'],
    [{}, TypeError, 'from must be a bigint, not undefined'],
    [{ from: 0 }, TypeError, 'from must be a bigint, not 0'],
    [{ from: -1n }, RangeError, 'from must be an offset from 0 to 2^53 - 1: -1'],
    [{ from: 0n, to: '1' }, TypeError, 'to must be a bigint, not "1"'],
    [{ from: 0n, maxBytes: 0 }, RangeError, 'maxBytes must be a whole number from 1 to 2^53 - 1: 0'],
    [{ from: 0n, minBytes: -1 }, RangeError, 'minBytes must be a whole number from 0 to 2^53 - 1: -1'],
    [{ from: 0n, maxWaitMs: 0.5 }, RangeError, 'maxWaitMs must be a whole number from 0 to 2147483647: 0.5'],
    [{ from: 0n, maxWaitMs: 2 ** 31 }, RangeError, 'maxWaitMs must be a whole number from 0 to 2147483647: 2147483648'],
    [{ from: 0n, maxWaitMs: '1' }, TypeError, 'maxWaitMs must be a number, not "1"'],
    [{ from: 0n, signal: {} }, TypeError, 'signal must be an AbortSignal, not an object (Object)'],
    [{ from: 0n, follow: true }, TypeError, 'fetch has no option "follow"'],
  ])('the options %o', async (options, kind, message) => {
    await log.makeSegments()
    const reader = await openReader(log)
    await expect(reader.fetch(options as FetchOptions)).rejects.toEqual(new kind(message))
  })
})

test('the clock is the only option of opening a reader', async () => {
  await log.makeSegments()
  await expect(WalReader.open(log.fs, log.config, 'orders', 0, { clocks: 1 } as object)).rejects.toEqual(
    new TypeError('WalReader.open has no option "clocks"'),
  )
})

test('maxCommitBytes bounds how far a fetch exceeds its maxBytes: appends at the same time make several commits', async () => {
  log = new LogFixture({ maxCommitBytes: 1000 })
  const writer = await log.open()
  await Promise.all(Array.from({ length: 50 }, (_, at) => append(writer, Buffer.alloc(100, at))))
  const reader = await openReader(log)
  const { batches } = await reader.fetch({ from: 0n, maxBytes: Infinity })
  const sizes = batches.map((batch) => batch.bytes.length)
  expect(Math.max(...sizes)).toBeLessThanOrEqual(1000)
  expect(sizes.filter((size) => size > 800)).toHaveLength(batches.length - 1)
})

describe('a fetch during a reset', () => {
  it('says that the log is empty at the new offset, and then returns what is appended there', async () => {
    const writer = await log.open()
    await appendEach(writer, ['a', 'b'])
    const reader = await openReader(log)
    const hold = log.fs.faults.hold('rename')
    const reset = writer.resetTo(50n)
    await hold.reached
    expect(await fetched(reader, { from: 50n })).toEqual({
      values: [],
      logStartOffset: 50n,
      highWatermark: 50n,
      nextOffset: 50n,
    })
    hold.release()
    await reset
    await append(writer, 'c')
    expect(await fetched(reader, { from: 50n })).toMatchObject({ values: ['c'], logStartOffset: 50n, nextOffset: 51n })
  })
})
