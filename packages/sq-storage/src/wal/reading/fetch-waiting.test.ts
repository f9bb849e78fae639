/** How long a fetch waits, and for what, in the process of the writer and in another one. */
import { beforeEach, describe, expect, it, test } from 'vitest'
import { ClosedError, deleteLog, LogNotFoundError } from '../../index.ts'
import type { WalReader, WalWriter } from '../../index.ts'
import { fetched, openReader, PROCESSES } from '../../testing/fetching.ts'
import { append, appendBatch, appendEach, LogFixture, numbered } from '../../testing/log-fixture.ts'
import { quiet, watched } from '../../testing/quiet.ts'

const MIB = 1024 * 1024

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
  it('a fetch that waits rejects if the log is truncated before it', async () => {
    const writer = await log.open()
    await appendEach(writer, ['a', 'b', 'c'])
    const reader = await openReader(log)
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
    const reader = await openReader(log)
    const waiting = fetched(reader, { from: 1n, minBytes: 1000, maxWaitMs: 500 })
    await quiet()
    await writer.truncate(2n)
    await append(writer, 'x')
    await quiet()
    log.clock.advance(500)
    expect(await waiting).toMatchObject({ values: ['b', 'x'], nextOffset: 3n })
  })
})

test('a fetch whose log is deleted while it waits returns what it has found, and the next one rejects', async () => {
  const writer = await log.open()
  await append(writer, 'a')
  const reader = await openReader(log)
  const fetching = fetched(reader, { from: 0n, minBytes: MIB, maxWaitMs: Infinity })
  await quiet()
  await writer.close()
  await deleteLog(log.fs, log.config, 'orders', 0)
  expect(await fetching).toMatchObject({ values: ['a'], nextOffset: 1n })
  await expect(reader.fetch({ from: 1n })).rejects.toThrow(LogNotFoundError)
})

test('the bytes of batches to fetch and to wait for, and the time, may be without a limit', async () => {
  const writer = await log.open()
  await append(writer, Buffer.alloc(2 * MIB))
  await append(writer, 'b')
  const reader = await openReader(log)
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
