/** `waitFor`, in the process of the writer and in another one. */
import { beforeEach, describe, expect, it, test, vi } from 'vitest'
import { ClosedError, CorruptLogError, LogNotFoundError } from '../../index.ts'
import type { WaitOptions, WalReader, WalWriter } from '../../index.ts'
import { openReader, PROCESSES } from '../../testing/fetching.ts'
import { append, appendEach, LogFixture, numbered } from '../../testing/log-fixture.ts'
import { quiet, watched } from '../../testing/quiet.ts'
import { SegmentBytes } from '../../testing/segment-bytes.ts'

let log: LogFixture

beforeEach(() => {
  log = new LogFixture()
})

describe.each(PROCESSES)('waiting for an offset %s', (_, open) => {
  let writer: WalWriter
  let reader: WalReader

  beforeEach(async () => {
    log = new LogFixture({ maxSegmentBytes: 300 })
    writer = await log.open()
    await appendEach(writer, numbered(10))
    reader = await open(log)
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
  const reader = await openReader(log)
  expect(await reader.waitFor(0n, { maxWaitMs: 0 })).toBe(false)
})

test('waiting for an offset leaves no file open', async () => {
  await log.makeSegments(new SegmentBytes().records('a').records('b'))
  const reader = await openReader(log)
  const held = log.fs.openHandles
  expect(await reader.waitFor(0n)).toBe(true)
  expect(await reader.waitFor(9n, { maxWaitMs: 0 })).toBe(false)
  expect(log.fs.openHandles).toBe(held)
})

test('a call that does not wait, or waits without a limit, sets no timer', async () => {
  await log.makeSegments(new SegmentBytes().records('a'))
  const reader = await openReader(log)
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
  const reader = await openReader(log)
  await expect(reader.waitFor(5n)).rejects.toThrow(CorruptLogError)
  await log.fs.rename(log.directory, '/data/orders/old')
  await expect(reader.waitFor(5n)).rejects.toThrow(LogNotFoundError)
})
