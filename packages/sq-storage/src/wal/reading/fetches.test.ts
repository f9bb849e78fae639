/** What a fetch returns and how long it waits, in the process of the writer and in another one. */
import { Random } from '@sq/sim'
import type { FileSystem } from '@sq/sim'
import { setImmediate } from 'node:timers/promises'
import { beforeEach, describe, expect, it, test, vi } from 'vitest'
import {
  ClosedError,
  CorruptLogError,
  deleteLog,
  LogNotFoundError,
  OffsetOutOfRangeError,
  WalReader,
} from '../../index.ts'
import type { FetchOptions, FetchResult, WaitOptions, WalWriter } from '../../index.ts'
import { inAnotherProcess } from '../../testing/another-process.ts'
import { append, appendBatch, appendEach, LogFixture, numbered, TIMESTAMP_MS } from '../../testing/log-fixture.ts'
import { MeasuredFiles } from '../../testing/measured-files.ts'
import { SegmentBytes } from '../../testing/segment-bytes.ts'

const MIB = 1024 * 1024

let log: LogFixture

beforeEach(() => {
  log = new LogFixture()
})

function openReader(fs: FileSystem = log.fs): Promise<WalReader> {
  return WalReader.open(fs, log.config, 'orders', 0, { clock: log.clock })
}

/** A reader in another process than the writer. */
function openElsewhere(): Promise<WalReader> {
  return openReader(inAnotherProcess(log.fs, new Random(1)))
}

/** What a fetch has returned: the values as text, and the offsets beside them. */
function shown({ batches, ...offsets }: FetchResult) {
  return { values: batches.flatMap((batch) => batch.records().map(({ value }) => String(value))), ...offsets }
}

async function fetched(reader: WalReader, options: FetchOptions) {
  return shown(await reader.fetch(options))
}

/** Waits until nothing is left to run. */
async function quiet(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await setImmediate()
}

/** A promise, and whether it has settled yet. */
function watched<T>(promise: Promise<T>): { readonly promise: Promise<T>; isSettled: boolean } {
  const state = { promise, isSettled: false }
  const settled = (): void => {
    state.isSettled = true
  }
  promise.then(settled, settled)
  return state
}

describe.each([
  ['in the process of the writer', openReader],
  ['in another process', openElsewhere],
])('a fetch %s', (_, open) => {
  let writer: WalWriter
  let reader: WalReader

  beforeEach(async () => {
    writer = await log.open()
    await appendBatch(writer, ['a', 'b', 'c'])
    await append(writer, 'd')
    reader = await open()
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

  it('returns no more than maxBytes after the first batch', async () => {
    const bytes = (await reader.fetch({ from: 0n })).batches.map((batch) => batch.bytes.length)
    const both = (bytes[0] ?? 0) + (bytes[1] ?? 0)
    expect((await reader.fetch({ from: 0n, maxBytes: both - 1 })).nextOffset).toBe(3n)
    expect((await reader.fetch({ from: 0n, maxBytes: both })).nextOffset).toBe(4n)
  })

  it('waits for a record at the end of the log, and returns it', async () => {
    const waiting = watched(fetched(reader, { from: 4n, maxWaitMs: Infinity }))
    await quiet()
    expect([waiting.isSettled, log.clock.timers]).toEqual([false, 0])
    await append(writer, 'e')
    expect(await waiting.promise).toMatchObject({ values: ['e'], nextOffset: 5n })
  })

  it('waits no longer than maxWaitMs, and returns what is there then', async () => {
    const [nothing, some] = [
      watched(fetched(reader, { from: 4n, maxWaitMs: 500 })),
      watched(fetched(reader, { from: 3n, minBytes: 1000, maxWaitMs: 500 })),
    ]
    await quiet()
    log.clock.advance(499)
    await quiet()
    expect([nothing.isSettled, some.isSettled]).toEqual([false, false])
    log.clock.advance(1)
    expect(await nothing.promise).toMatchObject({ values: [], nextOffset: 4n })
    expect(await some.promise).toMatchObject({ values: ['d'], nextOffset: 4n })
    expect(log.clock.timers).toBe(0)
  })

  it('waits until there are minBytes, across several commits', async () => {
    const bytes = (await reader.fetch({ from: 3n })).batches[0]?.bytes.length ?? 0
    const waiting = watched(fetched(reader, { from: 3n, minBytes: 3 * bytes, maxWaitMs: 1000 }))
    await append(writer, 'e')
    await quiet()
    expect(waiting.isSettled).toBe(false)
    await append(writer, 'f')
    expect(await waiting.promise).toMatchObject({ values: ['d', 'e', 'f'], nextOffset: 6n })
    expect(log.clock.timers).toBe(0)
  })

  it('does not wait once all before `to` is there, or maxBytes are', async () => {
    expect(await fetched(reader, { from: 3n, to: 4n, minBytes: 1000, maxWaitMs: Infinity })).toMatchObject({
      values: ['d'],
    })
    expect(await fetched(reader, { from: 0n, maxBytes: 1, minBytes: 1000, maxWaitMs: Infinity })).toMatchObject({
      values: ['a', 'b', 'c'],
    })
  })

  it('does not wait at all without maxWaitMs, or with minBytes 0', async () => {
    expect((await reader.fetch({ from: 4n })).batches).toEqual([])
    expect((await reader.fetch({ from: 4n, minBytes: 0, maxWaitMs: Infinity })).batches).toEqual([])
  })

  it('returns nothing at or beyond `to` that comes while it waits', async () => {
    const waiting = watched(fetched(reader, { from: 4n, to: 6n, minBytes: 1000, maxWaitMs: Infinity }))
    await append(writer, 'e')
    await quiet()
    expect(waiting.isSettled).toBe(false)
    await appendBatch(writer, ['f', 'g', 'h'])
    expect(await waiting.promise).toMatchObject({ values: ['e', 'f'], nextOffset: 6n })
    expect(await fetched(reader, { from: 6n })).toMatchObject({ values: ['g', 'h'], nextOffset: 8n })
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

  it('that waits is not disturbed by the deletion of all segments', async () => {
    const waiting = watched(fetched(reader, { from: 4n, maxWaitMs: Infinity }))
    await quiet()
    await writer.closeActiveSegment()
    await append(writer, 'e')
    await writer.deleteSegments({ belowOffset: 4n })
    expect(await waiting.promise).toMatchObject({ values: ['e'], nextOffset: 5n })
  })

  it('ends with ClosedError when the reader is closed, and with the reason of its signal', async () => {
    const controller = new AbortController()
    const aborted = watched(reader.fetch({ from: 4n, maxWaitMs: 500, signal: controller.signal }))
    const closed = watched(reader.fetch({ from: 4n, maxWaitMs: 500 }))
    await quiet()
    const reason = new Error('the consumer has gone')
    controller.abort(reason)
    await expect(aborted.promise).rejects.toBe(reason)
    expect(closed.isSettled).toBe(false)
    await reader.close()
    await expect(closed.promise).rejects.toThrow(ClosedError)
    await quiet()
    expect(log.clock.timers).toBe(0)
    await expect(reader.fetch({ from: 0n })).rejects.toThrow(ClosedError)
    await expect(reader.fetch({ from: 0n, signal: controller.signal })).rejects.toThrow(ClosedError)
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

  it('of many that wait at the same time, each gets what it waits for', async () => {
    const waiting = Array.from({ length: 50 }, (__, at) =>
      fetched(reader, { from: 4n, to: BigInt(5 + at), minBytes: 10_000, maxWaitMs: 1000 }),
    )
    await appendEach(writer, numbered(30))
    await quiet()
    log.clock.advance(1000)
    const results = await Promise.all(waiting)
    for (const [at, { values, nextOffset }] of results.entries()) {
      const count = Math.min(at + 1, 30)
      expect([values, nextOffset]).toEqual([numbered(30).slice(0, count), BigInt(4 + count)])
    }
    await quiet()
    expect(log.clock.timers).toBe(0)
  })
})

describe('in the process of the writer', () => {
  it('the high watermark is that of the writer, or `to` if that is less', async () => {
    const writer = await log.open()
    await appendEach(writer, ['a', 'b', 'c'])
    const reader = await openReader()
    expect((await reader.fetch({ from: 0n, maxBytes: 1 })).highWatermark).toBe(3n)
    expect((await reader.fetch({ from: 0n, to: 2n })).highWatermark).toBe(2n)
    expect((await reader.fetch({ from: 0n, to: 9n })).highWatermark).toBe(3n)
  })

  it('a commit that is not durable is not returned', async () => {
    const writer = await log.open()
    await append(writer, 'a')
    const reader = await openReader()
    const held = log.fs.faults.hold('sync')
    const appended = append(writer, 'b')
    await held.reached
    expect(await fetched(reader, { from: 0n })).toMatchObject({ values: ['a'], highWatermark: 1n, nextOffset: 1n })
    held.release()
    await appended
    expect(await fetched(reader, { from: 1n })).toMatchObject({ values: ['b'], highWatermark: 2n })
  })

  it('a fetch that waits rejects if the log is truncated before it', async () => {
    const writer = await log.open()
    await appendEach(writer, ['a', 'b', 'c'])
    const reader = await openReader()
    const waiting = reader.fetch({ from: 3n, maxWaitMs: Infinity })
    await quiet()
    await Promise.all([
      expect(waiting).rejects.toMatchObject({ code: 'SQ_WAL_OFFSET_OUT_OF_RANGE', firstOffset: 0n, nextOffset: 1n }),
      writer.truncate(1n),
    ])
  })

  it('a fetch that waits for more than it has begins again if that is truncated', async () => {
    const writer = await log.open()
    await appendEach(writer, ['a', 'b', 'c'])
    const reader = await openReader()
    const waiting = fetched(reader, { from: 1n, minBytes: 1000, maxWaitMs: 500 })
    await quiet()
    await writer.truncate(2n)
    await append(writer, 'x')
    await quiet()
    log.clock.advance(500)
    expect(await waiting).toMatchObject({ values: ['b', 'x'], nextOffset: 3n })
  })
})

describe('elsewhere than the writer', () => {
  it('the high watermark is as far as the fetch came, or as the names of the segments tell', async () => {
    log = new LogFixture({ maxSegmentBytes: 300 })
    const writer = await log.open()
    await appendEach(writer, numbered(10))
    const names = await log.segmentNames()
    const lastBase = BigInt(Number.parseInt(names.at(-1) ?? '', 10))
    expect(lastBase).toBeGreaterThan(2n)
    const reader = await openElsewhere()
    expect((await reader.fetch({ from: 0n, maxBytes: 1 })).highWatermark).toBe(lastBase)
    expect((await reader.fetch({ from: 0n })).highWatermark).toBe(10n)
    expect((await reader.fetch({ from: 0n, to: 1n })).highWatermark).toBe(1n)
  })

  it('a log that was deleted is not found, and one that took its place is read', async () => {
    const writer = await log.open()
    await append(writer, 'a')
    await writer.close()
    const reader = await openElsewhere()
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
    const reader = await openReader()
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
    const reader = await openReader()
    expect((await reader.fetch({ from: 0n, to: 2n, maxWaitMs: Infinity })).nextOffset).toBe(1n)
    expect((await reader.fetch({ from: 1n, to: 4n })).nextOffset).toBe(4n)
  })
})

test('what is before damage is returned, and the fetch that begins there rejects', async () => {
  const segment = new SegmentBytes().records('a').records('b').records('c')
  const { bytes } = segment
  bytes[segment.at(1).position + 45] = 0xff
  await log.makeSegments({ baseOffset: 0, bytes })
  const reader = await openReader()
  expect((await reader.fetch({ from: 0n, to: 1n, maxWaitMs: Infinity })).nextOffset).toBe(1n)
  expect((await reader.fetch({ from: 0n, minBytes: 1000, maxWaitMs: Infinity })).nextOffset).toBe(1n)
  await expect(reader.fetch({ from: 1n })).rejects.toThrow(CorruptLogError)
  expect(log.fs.openHandles).toBe(0)
})

test('a fetch whose log is deleted while it waits returns what it has found, and the next one rejects', async () => {
  const writer = await log.open()
  await append(writer, 'a')
  const reader = await openReader()
  const fetching = fetched(reader, { from: 0n, minBytes: MIB, maxWaitMs: Infinity })
  await quiet()
  await writer.close()
  await deleteLog(log.fs, log.config, 'orders', 0)
  expect(await fetching).toMatchObject({ values: ['a'], nextOffset: 1n })
  await expect(reader.fetch({ from: 1n })).rejects.toThrow(LogNotFoundError)
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
    const reader = await openReader()
    await expect(reader.fetch(options as FetchOptions)).rejects.toEqual(new kind(message))
  })
})

test('the bytes of batches to fetch and to wait for, and the time, may be without a limit', async () => {
  const writer = await log.open()
  await append(writer, Buffer.alloc(2 * MIB))
  await append(writer, 'b')
  const reader = await openReader()
  expect((await reader.fetch({ from: 0n })).nextOffset).toBe(1n)
  expect((await reader.fetch({ from: 0n, maxBytes: Infinity })).nextOffset).toBe(2n)
  const waiting = watched(
    reader.fetch({ from: 0n, minBytes: Infinity, maxBytes: Infinity, maxWaitMs: Infinity, to: 3n }),
  )
  await quiet()
  expect([waiting.isSettled, log.clock.timers]).toEqual([false, 0])
  await append(writer, 'c')
  expect((await waiting.promise).nextOffset).toBe(3n)
})

test('the clock is the only option of opening a reader', async () => {
  await log.makeSegments()
  await expect(WalReader.open(log.fs, log.config, 'orders', 0, { clocks: 1 } as object)).rejects.toEqual(
    new TypeError('WalReader.open has no option "clocks"'),
  )
})

describe.each([
  ['in the process of the writer', openReader],
  ['in another process', openElsewhere],
])('waiting for an offset %s', (_, open) => {
  let writer: WalWriter
  let reader: WalReader

  beforeEach(async () => {
    log = new LogFixture({ maxSegmentBytes: 300 })
    writer = await log.open()
    await appendEach(writer, numbered(10))
    reader = await open()
  })

  it('ends at once if the log has it or has had it', async () => {
    expect(await reader.waitFor(9n)).toBe(true)
    expect(await reader.waitFor(0n)).toBe(true)
    await writer.deleteSegments({ belowOffset: 10n })
    expect(await reader.waitFor(0n)).toBe(true)
  })

  it('ends when the log gets it', async () => {
    const [next, later] = [watched(reader.waitFor(10n)), watched(reader.waitFor(11n))]
    await quiet()
    expect(next.isSettled).toBe(false)
    await append(writer, 'k')
    expect(await next.promise).toBe(true)
    expect(later.isSettled).toBe(false)
    await append(writer, 'l')
    expect(await later.promise).toBe(true)
  })

  it('ends after maxWaitMs, with 0 at once', async () => {
    expect(await reader.waitFor(10n, { maxWaitMs: 0 })).toBe(false)
    const waiting = watched(reader.waitFor(10n, { maxWaitMs: 20 }))
    await quiet()
    log.clock.advance(19)
    await quiet()
    expect(waiting.isSettled).toBe(false)
    log.clock.advance(1)
    expect(await waiting.promise).toBe(false)
  })

  it('goes on across a truncation', async () => {
    const waiting = watched(reader.waitFor(10n))
    await quiet()
    await writer.truncate(5n)
    await appendEach(writer, numbered(5))
    await quiet()
    expect(waiting.isSettled).toBe(false)
    await append(writer, 'k')
    expect(await waiting.promise).toBe(true)
  })

  it('ends with ClosedError, and with the reason of its signal', async () => {
    const controller = new AbortController()
    const aborted = watched(reader.waitFor(10n, { signal: controller.signal }))
    const closed = watched(reader.waitFor(10n))
    await quiet()
    controller.abort('gone')
    await expect(aborted.promise).rejects.toBe('gone')
    await reader.close()
    await expect(closed.promise).rejects.toThrow(ClosedError)
  })

  it.each<[unknown, unknown, Error]>([
    [1, {}, new TypeError('offset must be a bigint, not 1')],
    [1n, null, new TypeError('the options of waitFor must be an object, not null')],
    [1n, { minBytes: 1 }, new TypeError('waitFor has no option "minBytes"')],
    [1n, { maxWaitMs: -1 }, new RangeError('maxWaitMs must be a whole number from 0 to 2147483647: -1')],
  ])('refuses %o, %o', async (offset, options, error) => {
    await expect(reader.waitFor(offset as bigint, options as WaitOptions)).rejects.toEqual(error)
  })
})

test('waiting for an offset of a log without segments ends after maxWaitMs', async () => {
  await log.makeSegments()
  const reader = await openReader()
  expect(await reader.waitFor(0n, { maxWaitMs: 0 })).toBe(false)
})

test('waiting for an offset leaves no file open', async () => {
  await log.makeSegments(new SegmentBytes().records('a').records('b'))
  const reader = await openReader()
  const held = log.fs.openHandles
  expect(await reader.waitFor(0n)).toBe(true)
  expect(await reader.waitFor(9n, { maxWaitMs: 0 })).toBe(false)
  expect(log.fs.openHandles).toBe(held)
})

test('a call that does not wait, or waits without a limit, sets no timer', async () => {
  await log.makeSegments(new SegmentBytes().records('a'))
  const reader = await openReader()
  const timers = vi.spyOn(log.clock, 'setTimer')
  await reader.fetch({ from: 0n })
  await reader.fetch({ from: 0n, maxWaitMs: 0 })
  await reader.fetch({ from: 0n, maxWaitMs: Infinity })
  await reader.waitFor(9n, { maxWaitMs: 0 })
  expect(timers).not.toHaveBeenCalled()
})

test('waiting for an offset rejects if the log is damaged or gone', async () => {
  const segment = new SegmentBytes().records('a').records('b')
  const { bytes } = segment
  bytes[segment.at(0).position + 45] = 0xff
  await log.makeSegments({ baseOffset: 0, bytes })
  const reader = await openReader()
  await expect(reader.waitFor(5n)).rejects.toThrow(CorruptLogError)
  await log.fs.rename(log.directory, '/data/orders/old')
  await expect(reader.waitFor(5n)).rejects.toThrow(LogNotFoundError)
})

/** A log of one active segment, of about 2 MiB if not given, its writer, and a measured reader of it. */
async function measured({ values = 500, valueBytes = 4096 } = {}): Promise<{
  writer: WalWriter
  reader: WalReader
  files: MeasuredFiles
}> {
  const files = new MeasuredFiles(log.fs)
  const writer = await log.open()
  for (let at = 0; at < values; at++) await append(writer, Buffer.alloc(valueBytes, at))
  return { writer, reader: await openReader(files.fs), files }
}

describe('what is read from files', () => {
  it('is nothing for a fetch or an iteration that begins at the end and is followed by a commit', async () => {
    const { writer, reader, files } = await measured()
    const waiting = reader.fetch({ from: 500n, maxWaitMs: Infinity })
    const tailing = reader.read({ from: 500n, follow: true })
    const first = tailing.next()
    const reached = reader.waitFor(500n)
    await quiet()
    await append(writer, 'next')
    expect((await waiting).nextOffset).toBe(501n)
    expect((await first).value?.offset).toBe(500n)
    expect(await reached).toBe(true)
    expect([files.reads, files.bytesRead]).toEqual([0, 0])
    await tailing.return?.()
  })

  it.each([0n, 500n])('is nothing for a reader that tails an empty log from its start (%d)', async (start) => {
    const files = new MeasuredFiles(log.fs)
    const writer = await log.open()
    if (start > 0n) await writer.resetTo(start)
    const reader = await openReader(files.fs)
    const tailing = reader.read({ follow: true })
    const first = tailing.next()
    await quiet()
    await append(writer, 'first')
    expect((await first).value?.offset).toBe(start)
    await append(writer, 'second')
    expect((await tailing.next()).value?.offset).toBe(start + 1n)
    expect([files.reads, files.bytesRead]).toEqual([0, 0])
    await tailing.return?.()
  })

  it('of an empty log begins where the log does if its first records are deleted before it sees them', async () => {
    const writer = await log.open()
    const reader = await openReader()
    const first = reader.read({ follow: true }).next()
    await quiet()
    await appendBatch(writer, ['a', 'b', 'c'])
    await writer.deleteRecords(2n)
    expect((await first).value?.offset).toBe(2n)
  })

  it('is nothing for what was appended since a reader was there', async () => {
    const { writer, reader, files } = await measured()
    await reader.fetch({ from: 500n })
    await appendBatch(writer, ['a', 'b', 'c'])
    await append(writer, 'd')
    expect(await fetched(reader, { from: 500n })).toMatchObject({ values: ['a', 'b', 'c', 'd'] })
    expect(await fetched(reader, { from: 501n })).toMatchObject({ values: ['b', 'c', 'd'] })
    const values: string[] = []
    for await (const { value } of reader.read({ from: 502n })) values.push(String(value))
    expect([values, files.bytesRead]).toEqual([['c', 'd'], 0])
  })

  it('is little for a fetch from the middle of the active segment, by the index of the writer', async () => {
    const { reader, files } = await measured()
    expect((await reader.fetch({ from: 250n, maxBytes: 1 })).nextOffset).toBe(251n)
    expect(files.bytesRead).toBeLessThan(150_000)
  })

  it('is less than 1.2 times what fetches return that go on from each other', async () => {
    const { reader, files } = await measured()
    let bytes = 0
    for (let from = 100n; from < 500n;) {
      const { batches, nextOffset } = await reader.fetch({ from, maxBytes: 50_000 })
      for (const batch of batches) bytes += batch.bytes.length
      from = nextOffset
    }
    expect(files.bytesRead).toBeLessThan(1.2 * bytes)
  })

  const views: [string, (fs: FileSystem) => FileSystem][] = [
    ['in the process of the writer', (fs) => fs],
    ['in another process', (fs) => inAnotherProcess(fs, new Random(1))],
  ]

  it.each(views)('is what a fetch of old data returns, and little more than the index says, %s', async (_, view) => {
    const { writer, files } = await measured()
    await writer.closeActiveSegment()
    await append(writer, 'in the next segment')
    const reader = await openReader(view(files.fs))
    // The first one reads the index.
    await reader.fetch({ from: 9n, maxBytes: 1 })
    for (let from = 480n; from > 0n; from -= 9n) {
      const before = files.bytesRead
      const { batches } = await reader.fetch({ from, maxBytes: 50_000 })
      const bytes = batches.reduce((sum, batch) => sum + batch.bytes.length, 0)
      // The distance to the place that the index knows, and one read of the least size.
      expect(files.bytesRead - before).toBeLessThan(bytes + 65_536 + 16_384 + 4096)
    }
  })

  it.each(views)('is little more than the index says for fetches that go on from each other, %s', async (_, view) => {
    const { writer, files } = await measured()
    await writer.closeActiveSegment()
    await append(writer, 'in the next segment')
    const reader = await openReader(view(files.fs))
    await reader.fetch({ from: 9n, maxBytes: 1 })
    let [bytes, fetches, before] = [0, 0, files.bytesRead]
    for (let from = 100n; from < 500n; fetches++) {
      const { batches, nextOffset } = await reader.fetch({ from, maxBytes: 50_000 })
      for (const batch of batches) bytes += batch.bytes.length
      from = nextOffset
    }
    expect(files.bytesRead - before).toBeLessThan(1.2 * bytes + 65_536 * fetches)
  })

  it('is not a batch that does not fit into the answer', async () => {
    const { reader, files } = await measured({ values: 100, valueBytes: 40_000 })
    for (const from of [20n, 60n, 40n]) {
      const before = files.bytesRead
      expect((await reader.fetch({ from, maxBytes: 60_000 })).nextOffset).toBe(from + 1n)
      expect(files.bytesRead - before).toBeLessThan(90_000)
    }
    // Unless it is cut.
    expect((await reader.fetch({ from: 50n, to: 52n, maxBytes: 90_000 })).nextOffset).toBe(52n)
  })

  it('is one batch for a fetch that gets one batch, however long', async () => {
    const { reader, files } = await measured({ values: 10, valueBytes: 300_000 })
    expect((await reader.fetch({ from: 5n, maxBytes: 1 })).nextOffset).toBe(6n)
    expect(files.bytesRead).toBeLessThan(310_000)
  })
})

test('maxCommitBytes bounds how far a fetch exceeds its maxBytes: appends at the same time make several commits', async () => {
  log = new LogFixture({ maxCommitBytes: 1000 })
  const writer = await log.open()
  await Promise.all(Array.from({ length: 50 }, (_, at) => append(writer, Buffer.alloc(100, at))))
  const reader = await openReader()
  const { batches } = await reader.fetch({ from: 0n, maxBytes: Infinity })
  const sizes = batches.map((batch) => batch.bytes.length)
  expect(Math.max(...sizes)).toBeLessThanOrEqual(1000)
  expect(sizes.filter((size) => size > 800)).toHaveLength(batches.length - 1)
})

test('an iteration that begins among the commits in memory ends where the log ended when it began', async () => {
  const { writer, reader } = await measured()
  await reader.fetch({ from: 500n })
  await append(writer, 'a')
  const records = reader.read({ from: 500n })
  expect(String((await records.next()).value?.value)).toBe('a')
  await append(writer, 'b')
  expect(await records.next()).toEqual({ done: true, value: undefined })
})

describe('a fetch during a reset', () => {
  it('says that the log is empty at the new offset, and then returns what is appended there', async () => {
    const writer = await log.open()
    await appendEach(writer, ['a', 'b'])
    const reader = await openReader()
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

/** A reader of a log of many segments: a fetch that ends inside one leaves its file open. */
async function longLog(): Promise<WalReader> {
  log = new LogFixture({ maxSegmentBytes: 1000 })
  const writer = await log.open()
  await appendEach(writer, numbered(150))
  await writer.closeActiveSegment()
  return openReader()
}

describe('the streams that a reader keeps between fetches', () => {
  it('are at most 8, of those that were used last', async () => {
    const reader = await longLog()
    const held = log.fs.openHandles
    const opens = () => log.fs.operations.count('open')
    // One fetch in each segment but the last, and one that continues it.
    const first = (await log.segmentNames()).slice(0, -1).map((name) => BigInt(Number.parseInt(name, 10)))
    expect(first.length).toBeGreaterThan(9)
    for (const from of first) await reader.fetch({ from, maxBytes: 1 })
    expect(log.fs.openHandles - held).toBe(8)
    const before = opens()
    for (const from of first.slice(-8)) await reader.fetch({ from: from + 1n, maxBytes: 1 })
    expect(opens()).toBe(before)
    await reader.fetch({ from: (first.at(-9) ?? 0n) + 1n, maxBytes: 1 })
    expect(opens()).toBeGreaterThan(before)
    await reader.close()
    expect(log.fs.openHandles).toBe(held)
  })

  it('are one for each offset, also if several fetches end there', async () => {
    const reader = await longLog()
    const held = log.fs.openHandles
    await Promise.all(Array.from({ length: 5 }, () => reader.fetch({ from: 10n, maxBytes: 1 })))
    expect(log.fs.openHandles - held).toBe(1)
    await reader.close()
    expect(log.fs.openHandles).toBe(held)
  })
})

test('after damage, the batches before it are returned, then the error, and once it is repaired what follows', async () => {
  const segment = new SegmentBytes().records('a').records('b').records('c')
  const sound = Buffer.from(segment.bytes)
  const damaged = Buffer.from(sound)
  damaged[segment.at(1).position + 45] = 0xff
  await log.makeSegments({ baseOffset: 0, bytes: damaged })
  const reader = await openReader()
  expect(await fetched(reader, { from: 0n })).toMatchObject({ values: ['a'], nextOffset: 1n })
  await expect(reader.fetch({ from: 1n })).rejects.toThrow(CorruptLogError)
  await log.overwrite(log.path(0), sound)
  expect(await fetched(reader, { from: 1n })).toMatchObject({ values: ['b', 'c'], nextOffset: 3n })
  await reader.close()
  expect(log.fs.openHandles).toBe(0)
})

test('what was deleted is not read from memory', async () => {
  const writer = await log.open()
  const reader = await openReader()
  await reader.fetch({ from: 0n })
  await append(writer, 'a')
  await writer.closeActiveSegment()
  await append(writer, 'b')
  await writer.deleteSegments({ belowOffset: 1n })
  expect((await log.outcome({ from: 0n })).error).toBeInstanceOf(OffsetOutOfRangeError)
  expect(await log.outcome({ from: 1n })).toEqual({ values: ['b'], error: null })
})

test.each(Array.from({ length: 60 }, (_, at) => at + 1))(
  'fetches return what reading returns, whatever was fetched before and whatever the log went through (seed %d)',
  async (seed) => {
    const random = new Random(seed)
    log = new LogFixture({ maxSegmentBytes: 1 + random.int(2000) })
    let writer = await log.open()
    const readers = [await openReader(), await openReader(), await openElsewhere()]
    for (let step = 0; step < 40; step++) {
      const end = Number(writer.nextOffset)
      const choice = random.int(12)
      if (choice < 5) await appendBatch(writer, numbered(1 + random.int(4)))
      else if (choice === 5) await writer.truncate(BigInt(Math.max(await firstOf(), random.int(end + 1))))
      else if (choice === 6) await writer.closeActiveSegment()
      else if (choice === 7) await writer.deleteSegments({ belowOffset: BigInt(random.int(end + 1)) })
      else if (choice === 8) {
        await writer.close()
        if (random.chance(0.5)) writer = await log.open()
        else {
          await expectSame(readers, random, seed)
          writer = await log.open()
        }
      } else await expectSame(readers, random, seed)
    }
    for (const reader of readers) await reader.close()
    await writer.close()
  },
)

async function firstOf(): Promise<number> {
  return Number.parseInt((await log.segmentNames())[0] ?? '0', 10)
}

/** Each reader goes through the log with fetches of drawn limits, and gets what `readBatches` gets. */
async function expectSame(readers: readonly WalReader[], random: Random, seed: number): Promise<void> {
  const first = BigInt(await firstOf())
  for (const reader of readers) {
    let from = first
    const end = (await reader.fetch({ from, maxBytes: Infinity })).nextOffset
    for (let turn = 0; turn < 4; turn++) {
      if (random.chance(0.3)) from = first + BigInt(random.int(Number(end - first) + 1))
      const options = {
        from,
        ...(random.chance(0.5) ? { to: from + BigInt(random.int(6)) } : {}),
        maxBytes: 1 + random.int(300),
      }
      const { batches, nextOffset, logStartOffset } = await reader.fetch(options)
      const expected: unknown[] = []
      for await (const batch of reader.readBatches({ ...options, exact: true })) {
        expected.push([batch.baseOffset, batch.recordCount, batch.checksum])
      }
      const found = batches.map((batch) => [batch.baseOffset, batch.recordCount, batch.checksum])
      expect({ seed, options, found, logStartOffset }).toEqual({
        seed,
        options,
        found: expected,
        logStartOffset: first,
      })
      from = nextOffset
    }
  }
}
