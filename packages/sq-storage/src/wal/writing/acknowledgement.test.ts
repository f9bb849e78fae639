/** A durable commit is acknowledged even if something else fails, and every promise settles. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { setImmediate } from 'node:timers/promises'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { WalReader } from '../../index.ts'
import type { WalWriter } from '../../index.ts'
import { append, appendAll, LogFixture, numbered } from '../../testing/log-fixture.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

/** Fails if a promise has not settled after more turns of the event loop than anything here takes. */
async function settled<T>(promise: Promise<T>): Promise<PromiseSettledResult<T>> {
  const result = await Promise.race([Promise.allSettled([promise]).then(([first]) => first), afterTurns(100)])
  return result ?? expect.unreachable('it has not settled')
}

async function afterTurns(turns: number): Promise<null> {
  for (let turn = 0; turn < turns; turn++) await setImmediate()
  return null
}

/** Tails a log from its beginning. Resolves when the reader waits at the end. */
async function follow(log: LogFixture): Promise<{ values: string[]; stop: () => Promise<void> }> {
  const reader = await WalReader.open(log.fs, log.config, 'orders', 0)
  const values: string[] = []
  const following = (async () => {
    for await (const { value } of reader.read({ follow: true })) values.push(String(value))
  })().catch((error: unknown) => error)
  await afterTurns(20)
  const stop = async () => {
    await afterTurns(20)
    await reader.close()
    expect(await following).toMatchObject({ code: 'SQ_WAL_CLOSED' })
  }
  return { values, stop }
}

function failToAllocate(): never {
  throw new RangeError('Array buffer allocation failed')
}

/** Makes every allocation of memory for bytes fail. */
function outOfMemory(): void {
  for (const method of ['from', 'alloc', 'allocUnsafe', 'allocUnsafeSlow', 'concat', 'copyBytesFrom'] as const) {
    vi.spyOn(Buffer, method).mockImplementation(failToAllocate)
  }
}

function ignore(): void {}

function listenToAppends(): void {
  subscribe('sq:wal:append', ignore)
  onTestFinished(() => void unsubscribe('sq:wal:append', ignore))
}

/** What can fail after a commit is durable. */
const FAILURES: [string, (log: LogFixture) => void][] = [
  ['no memory is left for tailing readers', outOfMemory],
  [
    'the clock throws',
    (log) => {
      vi.spyOn(log.clock, 'monotonic').mockImplementation(() => {
        throw new Error('the clock is broken')
      })
    },
  ],
]

describe.each(FAILURES)('where %s while a commit becomes durable', (_, fail) => {
  test('all its appends are acknowledged, nothing stays pending, and the log continues', async () => {
    listenToAppends()
    const log = new LogFixture()
    const writer = await log.open()
    await append(writer, 'first')
    const followed = await follow(log)
    const stop = log.fs.operations.observe(({ operation, phase, path }) => {
      if (operation === 'sync' && phase === 'end' && path === log.path(0)) fail(log)
    })
    const appends = appendAll(writer, ['a', 'b', 'c'])
    expect(await settled(appends)).toEqual({ status: 'fulfilled', value: [1n, 2n, 3n] })
    vi.restoreAllMocks()
    stop()
    expect(writer.stats()).toMatchObject({ nextOffset: 4n, records: 4, commits: 2, pendingBytes: 0, pendingRecords: 0 })
    expect(writer.stats()).toMatchObject({ commitMs: 0, longestCommitMs: 0 })
    expect(await settled(append(writer, 'after'))).toEqual({ status: 'fulfilled', value: 4n })
    await followed.stop()
    expect(followed.values).toEqual(['first', 'a', 'b', 'c', 'after'])
    log.fs.crash()
    await log.open()
    expect(await log.values()).toEqual(['first', 'a', 'b', 'c', 'after'])
  })
})

test('a clock that throws when a commit has failed does not keep callers from getting the error', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'first')
  log.fs.faults.failNext('sync', 'EIO')
  const hold = log.fs.faults.hold('write', log.path(0))
  const appends = ['a', 'b'].map((value) => settled(append(writer, value)))
  await hold.reached
  appends.push(settled(append(writer, 'queued')))
  const clock = vi.spyOn(log.clock, 'monotonic').mockImplementation(() => {
    throw new Error('the clock is broken')
  })
  hold.release()
  for (const { status } of await Promise.all(appends)) expect(status).toBe('rejected')
  clock.mockRestore()
  expect(writer.stats()).toMatchObject({ failedCommits: 1, pendingBytes: 0, pendingRecords: 0 })
  expect(await append(writer, 'after')).toBe(1n)
})

describe('a value thrown by a file system that is not an Error', () => {
  test.each([
    ['an object without prototype', Object.create(null)],
    ['an object that cannot be converted to text', { toString: () => expect.unreachable('asked') }],
    ['a symbol', Symbol('odd')],
    ['nothing', undefined],
    ...['message', 'code', 'errno'].map((field): [string, unknown] => [
      `an Error whose ${field} throws`,
      Object.defineProperty(new Error('x'), field, { get: () => expect.unreachable('asked') }),
    ]),
  ])('%s, is the cause of the error that rejects the commit', async (_, thrown: unknown) => {
    const log = new LogFixture()
    const writer = await log.open()
    const open = log.fs.open.bind(log.fs)
    log.fs.open = () => Promise.reject(thrown)
    const result = await settled(append(writer, 'a'))
    expect(result).toMatchObject({ status: 'rejected', reason: { code: 'SQ_WAL_APPEND_FAILED', nextOffset: 0n } })
    expect(result.status === 'rejected' && (result.reason as Error).cause === thrown).toBe(true)
    expect(writer.stats()).toMatchObject({ pendingBytes: 0, pendingRecords: 0 })
    log.fs.open = open
    expect(await append(writer, 'b')).toBe(0n)
  })
})

describe('behind a commit that fails', () => {
  test.each<[string, (writer: WalWriter) => Promise<unknown>]>([
    ['closeActiveSegment', (writer) => writer.closeActiveSegment()],
    ['deleteSegments', (writer) => writer.deleteSegments({ belowOffset: 0n })],
    ['truncate', (writer) => writer.truncate(1n)],
    ['close', (writer) => writer.close()],
  ])('%s still runs, before later appends', async (_, call) => {
    const log = new LogFixture()
    const writer = await log.open()
    await append(writer, 'first')
    const hold = log.fs.faults.hold('write', log.path(0))
    log.fs.faults.failNext('sync', 'EIO')
    const failing = settled(append(writer, 'failing'))
    await hold.reached
    const called = settled(call(writer))
    const behind = settled(append(writer, 'behind'))
    hold.release()
    expect(await failing).toMatchObject({ status: 'rejected', reason: { code: 'SQ_WAL_APPEND_FAILED' } })
    expect(await called).toMatchObject({ status: 'fulfilled' })
    expect(await behind).toMatchObject({ status: 'rejected' })
    await writer.close()
    expect(log.fs.openHandles).toBe(0)
    expect(await log.values()).toEqual(['first'])
  })

  test('appendAll rejects, and no record of its source stays pending', async () => {
    const log = new LogFixture({ maxPendingBytes: 4000 })
    const writer = await log.open()
    await append(writer, 'first')
    log.fs.faults.failNext('sync', 'EIO')
    const source = numbered(100).map((value) => ({ key: null, value: Buffer.from(value), headers: [], timestampMs: 0 }))
    expect(await settled(writer.appendAll(source))).toMatchObject({
      status: 'rejected',
      reason: { code: 'SQ_WAL_APPEND_ALL_FAILED', records: 0 },
    })
    expect(writer.stats()).toMatchObject({ pendingBytes: 0, pendingRecords: 0 })
  })
})

test('a frame over the limit of kept frames is not copied for tailing readers', async () => {
  const log = new LogFixture({}, new InMemoryFileSystem())
  const writer = await log.open()
  await append(writer, 'first')
  const followed = await follow(log)
  const hold = log.fs.faults.hold('write', log.path(0))
  const appended = append(writer, Buffer.alloc(5 * 1024 * 1024, 'x'))
  await hold.reached
  const copies = vi.spyOn(Buffer, 'from')
  hold.release()
  await appended
  const copied = copies.mock.calls.map(([from]: unknown[]) => (from instanceof Uint8Array ? from.byteLength : 0))
  expect(Math.max(0, ...copied)).toBeLessThan(1024 * 1024)
  copies.mockRestore()
  await followed.stop()
  expect(followed.values.map((value) => value.length)).toEqual([5, 5 * 1024 * 1024])
})
