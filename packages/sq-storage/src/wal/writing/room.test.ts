/** `WalWriter.ready`, `WalWriter.configure` and the option `limits`. `backlog.test.ts` has who gets room first. */
import { getEventListeners } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { BacklogFullError, ClosedError, SharedLimits, WalWriter } from '../../index.ts'
import type { WalConfig } from '../../index.ts'
import { append, LogFixture } from '../../testing/log-fixture.ts'

const MIB = 1024 * 1024
const VALUE = Buffer.alloc(600_000, 'a')

/** A writer with limits that it shares. */
function openWith(log: LogFixture, limits: SharedLimits): Promise<WalWriter> {
  return WalWriter.open(log.fs, log.config, 'orders', 0, { clock: log.clock, limits })
}

/** A writer whose write of one value is held back. */
async function holding(config: Partial<WalConfig>, limits?: SharedLimits) {
  const log = new LogFixture(config)
  const writer = limits === undefined ? await log.open() : await openWith(log, limits)
  await append(writer, 'makes the segment')
  const hold = log.fs.faults.hold('write', log.path(0))
  const held = append(writer, VALUE)
  await hold.reached
  return { log, writer, hold, held }
}

/** Appends as soon as there is room. */
async function patiently(writer: WalWriter, value: Uint8Array): Promise<bigint> {
  for (;;) {
    try {
      return await append(writer, value)
    } catch (error) {
      if (!(error instanceof BacklogFullError)) throw error
      await writer.ready({ bytes: error.neededBytes })
    }
  }
}

describe('ready', () => {
  test('resolves at once while nothing waits', async () => {
    await (await new LogFixture().open()).ready()
  })

  test('waits for the commit that makes room', async () => {
    const { writer, hold, held } = await holding({ maxPendingBytes: MIB })
    await expect(append(writer, VALUE)).rejects.toMatchObject({ limit: 'writer', maxPendingBytes: MIB })
    const next = patiently(writer, VALUE)
    hold.release()
    expect([await held, await next]).toEqual([1n, 2n])
  })

  test('resolves after a failed commit, and the next append can be made', async () => {
    const log = new LogFixture({ maxPendingBytes: MIB })
    const writer = await log.open()
    await append(writer, 'makes the segment')
    const hold = log.fs.faults.hold('write', log.path(0))
    log.fs.faults.failNext('write', 'EIO', log.path(0))
    const failing = append(writer, VALUE)
    await hold.reached
    const next = patiently(writer, VALUE)
    hold.release()
    await expect(failing).rejects.toThrow('EIO')
    expect(await next).toBe(1n)
  })

  test('rejects when the writer is closed, and after that', async () => {
    const { writer, hold, held } = await holding({ maxPendingBytes: MIB })
    const ready = writer.ready()
    const closed = writer.close()
    await expect(ready).rejects.toThrow(ClosedError)
    hold.release()
    await held
    await closed
    await expect(writer.ready()).rejects.toThrow(ClosedError)
  })

  test('rejects with the reason of its signal, which has no listener afterwards', async () => {
    const { writer, hold, held } = await holding({ maxPendingBytes: MIB })
    const controller = new AbortController()
    const { signal } = controller
    const waiting = Promise.allSettled(Array.from({ length: 20 }, () => writer.ready({ signal })))
    await setImmediate()
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    controller.abort(new Error('enough'))
    for (const outcome of await waiting) expect(outcome).toMatchObject({ reason: new Error('enough') })
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    await expect(writer.ready({ signal })).rejects.toThrow('enough')
    hold.release()
    await held
  })

  test.each([
    [{ bytes: '1' }, TypeError, 'bytes must be a number'],
    [{ bytes: 0 }, RangeError, 'bytes must be a whole number'],
    [{ signal: {} }, TypeError, 'signal must be an AbortSignal'],
    [{ byte: 1 }, TypeError, 'ready has no option "byte"'],
    [null, TypeError, 'must be an object'],
  ])('rejects for %j', async (options, error, message) => {
    const writer = await new LogFixture().open()
    const rejected = expect(writer.ready(options as { bytes: number })).rejects
    await rejected.toThrow(error)
    await expect(writer.ready(options as { bytes: number })).rejects.toThrow(message)
  })
})

describe('limits that writers share', () => {
  test('refuse an append while other writers fill them, and ready waits for those', async () => {
    const limits = new SharedLimits({ maxPendingBytes: MIB })
    const { hold, held } = await holding({}, limits)
    const other = await openWith(new LogFixture(), limits)
    await expect(append(other, VALUE)).rejects.toMatchObject({ limit: 'shared', maxPendingBytes: MIB })
    expect(limits.pendingBytes).toBeGreaterThan(600_000)
    const next = patiently(other, VALUE)
    const all = other.appendAll([{ value: VALUE }, { value: VALUE }])
    await setImmediate()
    expect(other.nextOffset).toBe(0n)
    hold.release()
    await held
    expect(await next).toBe(0n)
    expect(await all).toMatchObject({ records: 2 })
    expect(limits.pendingBytes).toBe(0)
  })

  test('end the waiting of appendAll when it is aborted or its writer is closed', async () => {
    const limits = new SharedLimits({ maxPendingBytes: MIB })
    const { hold, held } = await holding({}, limits)
    const other = await openWith(new LogFixture(), limits)
    const controller = new AbortController()
    const aborted = other.appendAll([{ value: VALUE }], { signal: controller.signal })
    const closed = other.appendAll([{ value: VALUE }])
    await setImmediate()
    controller.abort(new Error('enough'))
    await expect(aborted).rejects.toMatchObject({ records: 0, cause: new Error('enough') })
    const closing = other.close()
    await expect(closed).rejects.toMatchObject({ records: 0, cause: expect.any(ClosedError) })
    await closing
    hold.release()
    await held
  })

  test('must be an object of their class', async () => {
    const log = new LogFixture()
    const limits = { maxPendingBytes: MIB } as SharedLimits
    await expect(openWith(log, limits)).rejects.toThrow('limits must be SharedLimits, not an object (Object)')
  })

  test('are those of the thread if none are given, and hold more than one writer may', async () => {
    const { hold, held } = await holding({})
    const other = await new LogFixture().open()
    expect(await append(other, VALUE)).toBe(0n)
    hold.release()
    await held
  })
})

describe('configure', () => {
  test('changes the limits of what is appended after it', async () => {
    const { writer, hold, held } = await holding({})
    const accepted = append(writer, VALUE)
    writer.configure({ maxRecordBytes: 1000, maxPendingBytes: 2 * MIB })
    await expect(append(writer, Buffer.alloc(1001))).rejects.toThrow('maxRecordBytes')
    writer.configure({ maxPendingBytes: 1 })
    await expect(append(writer, 'small')).rejects.toMatchObject({ limit: 'writer', maxPendingBytes: 1 })
    writer.configure({ maxPendingBytes: undefined })
    const small = append(writer, 'small')
    hold.release()
    expect(await Promise.all([held, accepted, small])).toEqual([1n, 2n, 3n])
  })

  test('wakes those that wait for room if there is more', async () => {
    const { writer, hold, held } = await holding({ maxPendingBytes: 1000 })
    const ready = writer.ready({ bytes: 2000 })
    await setImmediate()
    writer.configure({ maxPendingBytes: MIB })
    await ready
    hold.release()
    await held
  })

  test('changes the size and age of segments from the next commit on', async () => {
    const log = new LogFixture()
    const writer = await log.open()
    await append(writer, VALUE)
    await append(writer, VALUE)
    expect(log.closed).toEqual([])
    writer.configure({ maxSegmentBytes: MIB })
    await append(writer, 'b')
    expect(log.closed).toMatchObject([{ baseOffset: 0n, lastOffset: 1n }])
    writer.configure({ maxSegmentAgeMs: 10 })
    log.clock.advance(10)
    await append(writer, 'c')
    await setImmediate()
    expect(log.closed).toMatchObject([{}, { baseOffset: 2n, lastOffset: 2n }])
    expect(await log.values(2n)).toEqual(['b', 'c'])
  })

  test('changes how far timestamps may lie ahead, and how much shares a commit', async () => {
    const log = new LogFixture()
    const writer = await log.open()
    writer.configure({ maxTimestampAheadMs: 0, maxCommitBytes: 1 })
    await expect(writer.append({ value: VALUE, timestampMs: 2 ** 50 })).rejects.toThrow('maxTimestampAheadMs')
    await Promise.all(['a', 'b'].map((value) => writer.append({ value: Buffer.from(value), timestampMs: 0 })))
    expect(writer.stats().commits).toBe(2)
  })

  test.each<[Record<string, unknown> | null, string]>([
    [{ dataDir: '/data' }, 'dataDir cannot change while the log is open'],
    [{ maxSegmentByte: 5 }, 'config has no option "maxSegmentByte"'],
    [{ maxSegmentBytes: 0 }, 'maxSegmentBytes must be a whole number from 1 to 2147483648: 0'],
    [{ maxCommitBytes: 5, maxRecordBytes: 64 * MIB, maxBatchBytes: MIB }, 'must not be more than maxBatchBytes'],
    [null, 'the changes must be an object, not null'],
  ])('refuses %j and changes nothing', async (changes, message) => {
    const log = new LogFixture({ maxBatchBytes: MIB })
    const writer = await log.open()
    expect(() => writer.configure(changes as Omit<WalConfig, 'dataDir'>)).toThrow(message)
    await Promise.all(['a', 'b'].map((value) => append(writer, value)))
    expect(writer.stats().commits).toBe(1)
    await expect(append(writer, Buffer.alloc(MIB + 1))).rejects.toThrow('maxRecordBytes')
  })

  test('keeps what was given before: the defaults that depend on it stay as they are', async () => {
    const log = new LogFixture({ maxBatchBytes: MIB })
    const writer = await log.open()
    writer.configure({ maxSegmentAgeMs: 5 })
    await expect(append(writer, Buffer.alloc(MIB + 1))).rejects.toThrow('maxRecordBytes')
    writer.configure({ maxBatchBytes: 2 * MIB })
    expect(await append(writer, Buffer.alloc(MIB + 1))).toBe(0n)
  })

  test('throws after close', async () => {
    const writer = await new LogFixture().open()
    await writer.close()
    expect(() => writer.configure({ maxSegmentBytes: MIB })).toThrow(ClosedError)
  })
})
