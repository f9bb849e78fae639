import { expect, test } from 'vitest'
import { AppendFailedError, WalIoError } from '../../index.ts'
import { append, appendAll, appendEach, LogFixture, numbered } from '../../testing/log-fixture.ts'

/** The result of an append. */
async function outcome(pending: Promise<bigint>): Promise<unknown> {
  return pending.catch((error: unknown) => error)
}

test.each([
  ['sync', 'EIO'],
  ['sync', 'ENOSPC'],
  ['write', 'EIO'],
  ['write', 'ENOSPC'],
] as const)(
  'a failed %s (%s) rejects with the cause, and the retry succeeds at the same offset',
  async (operation, code) => {
    const log = new LogFixture()
    const writer = await log.open()
    await append(writer, 'a')
    log.fs.faults.failNext(operation, code)
    const error = await outcome(append(writer, 'b'))
    expect(error).toBeInstanceOf(AppendFailedError)
    expect(error).toMatchObject({ code: 'SQ_WAL_APPEND_FAILED', nextOffset: 1n, cause: { code } })
    expect(writer.nextOffset).toBe(1n)
    expect(await append(writer, 'b again')).toBe(1n)
    expect(writer.nextOffset).toBe(2n)
    expect(await log.values()).toEqual(['a', 'b again'])
  },
)

test.each(['write', 'sync', 'create', 'rename', 'syncDirectory'] as const)(
  'a %s that fails on the very first append rejects the append, and the retry gets offset 0',
  async (operation) => {
    const log = new LogFixture()
    const writer = await log.open()
    log.fs.faults.failNext(operation, 'EIO')
    expect(await outcome(append(writer, 'a'))).toMatchObject({ code: 'SQ_WAL_APPEND_FAILED', nextOffset: 0n })
    expect(writer.nextOffset).toBe(0n)
    expect(await append(writer, 'a again')).toBe(0n)
    log.fs.crash()
    await log.open()
    expect(await log.values()).toEqual(['a again'])
  },
)

test('nothing queued behind a failure is acknowledged', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'a')
  const held = log.fs.faults.hold('sync')
  log.fs.faults.failNext('sync', 'EIO')
  const failing = append(writer, 'b')
  await held.reached
  const behind = numbered(10).map((value) => append(writer, value))
  held.release()
  const outcomes = await Promise.all([failing, ...behind].map(outcome))
  for (const told of outcomes) expect(told).toBe(outcomes[0])
  expect(outcomes[0]).toBeInstanceOf(AppendFailedError)
  expect(await append(writer, 'c')).toBe(1n)
  expect(await log.values()).toEqual(['a', 'c'])
})

test('a rejected commit never comes back once a later one was acknowledged', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'a')
  log.fs.faults.failNext('sync', 'EIO')
  await outcome(append(writer, 'rejected'))
  await append(writer, 'b')
  log.fs.kill()
  await log.open()
  expect(await log.values()).toEqual(['a', 'b'])
})

test('a rejected commit never comes back after an orderly close', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'a')
  log.fs.faults.failNext('sync', 'EIO')
  await outcome(append(writer, 'rejected'))
  await writer.close()
  const reopened = await log.open()
  expect(reopened.nextOffset).toBe(1n)
  expect(await log.values()).toEqual(['a'])
})

test('after a failed sync the file is never synced again', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'a')
  const touched: string[] = []
  log.fs.faults.failNext('sync', 'EIO')
  await outcome(append(writer, 'b'))
  log.fs.operations.observe(({ operation, path, phase }) => {
    if (phase === 'start' && (operation === 'sync' || operation === 'write')) touched.push(path)
  })
  await append(writer, 'b')
  await writer.close()
  expect(touched).not.toContain(log.path(0))
  expect(touched).not.toEqual([])
})

test('close does not touch a file whose sync failed', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'a')
  log.fs.faults.failNext('sync', 'EIO')
  await outcome(append(writer, 'b'))
  const touched: string[] = []
  log.fs.operations.observe(({ operation, path }) => {
    if (operation === 'sync' || operation === 'write') touched.push(path)
  })
  await writer.close()
  expect(touched).not.toContain(log.path(0))
})

test.each(['sync', 'write'] as const)(
  'a later segment whose first commit fails in its %s is replaced by a new one of that name, linked to the one before',
  async (operation) => {
    const log = new LogFixture()
    const writer = await log.open()
    await append(writer, 'a')
    await writer.closeActiveSegment()
    // The segment is created, and then its first commit fails.
    log.fs.faults.add({ on: operation, path: log.path(1), fault: { error: 'EIO' } })
    expect(await outcome(append(writer, 'rejected'))).toBeInstanceOf(AppendFailedError)
    expect(await append(writer, 'b')).toBe(1n)
    await writer.close()
    expect(log.fs.openHandles).toBe(0)
    await log.open()
    expect(await log.values()).toEqual(['a', 'b'])
    expect(await log.segmentNames()).toHaveLength(2)
  },
)

test('an abandoned segment is reported closed, with its stated end', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await appendEach(writer, ['a', 'b'])
  const end = (await log.file(log.path(0))).length
  log.fs.faults.failNext('sync', 'EIO')
  await outcome(append(writer, 'rejected'))
  expect(log.closed).toEqual([])
  await append(writer, 'c')
  expect(log.closed).toMatchObject([{ baseOffset: 0n, lastOffset: 1n, records: 2, bytes: end, state: 'abandoned' }])
})

test('closeActiveSegment replaces an abandoned segment without records too: what was rejected cannot come back', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  log.fs.faults.failNext('sync', 'EIO', log.path(0))
  await outcome(append(writer, 'rejected'))
  expect(await writer.closeActiveSegment()).toBeNull()
  log.fs.kill()
  const reopened = await log.open()
  expect(reopened.nextOffset).toBe(0n)
  expect(await log.values()).toEqual([])
})

test('closeActiveSegment rolls over from an abandoned segment first', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'a')
  log.fs.faults.failNext('sync', 'EIO')
  await outcome(append(writer, 'rejected'))
  expect(await writer.closeActiveSegment()).toMatchObject({ baseOffset: 0n, lastOffset: 0n, state: 'abandoned' })
  expect(await append(writer, 'b')).toBe(1n)
  expect(await log.values()).toEqual(['a', 'b'])
})

test.each(['write', 'sync', 'create', 'rename', 'syncDirectory', 'unlink'] as const)(
  'a roll-over that fails in its %s leaves the log as it was, and the next append rolls over',
  async (operation) => {
    const log = new LogFixture()
    const writer = await log.open()
    await append(writer, 'a')
    log.fs.faults.failNext('sync', 'EIO')
    await outcome(append(writer, 'rejected'))
    log.fs.faults.failNext(operation, 'EIO')
    expect(await outcome(append(writer, 'rejected too'))).toMatchObject({ nextOffset: 1n, cause: { code: 'EIO' } })
    expect(await append(writer, 'b')).toBe(1n)
    log.fs.crash()
    await log.open()
    expect(await log.values()).toEqual(['a', 'b'])
  },
)

test('on a full disk appends fail and nothing is lost; with space again they succeed without reopening', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'a')
  const full = log.fs.faults.failAlways(['write', 'create'], 'ENOSPC')
  for (let attempt = 0; attempt < 5; attempt++) {
    expect(await outcome(append(writer, 'b'))).toBeInstanceOf(AppendFailedError)
    expect(await log.values()).toEqual(['a'])
  }
  full.remove()
  expect(await append(writer, 'b')).toBe(1n)
  expect(await log.values()).toEqual(['a', 'b'])
  await writer.close()
  expect(log.fs.openHandles).toBe(0)
})

test.each(['write', 'sync', 'create', 'rename', 'syncDirectory'] as const)(
  'a rotation that fails in its %s rejects the commit and loses nothing',
  async (operation) => {
    const log = new LogFixture({ maxSegmentBytes: 1 })
    const writer = await log.open()
    await append(writer, 'a')
    log.fs.faults.failNext(operation, 'EIO')
    expect(await outcome(append(writer, 'b'))).toMatchObject({ nextOffset: 1n })
    expect(await append(writer, 'b')).toBe(1n)
    expect(await append(writer, 'c')).toBe(2n)
    log.fs.crash()
    await log.open()
    expect(await log.values()).toEqual(['a', 'b', 'c'])
  },
)

test('closeActiveSegment that fails to seal rejects, and the records stay', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'a')
  log.fs.faults.failNext('sync', 'EIO')
  await expect(writer.closeActiveSegment()).rejects.toMatchObject({ code: 'SQ_WAL_IO', cause: { code: 'EIO' } })
  expect(await append(writer, 'b')).toBe(1n)
  log.fs.crash()
  await log.open()
  expect(await log.values()).toEqual(['a', 'b'])
})

test('close that cannot write its MARKs rejects, releases everything, and loses nothing', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'a')
  log.fs.faults.failNext('sync', 'EIO')
  await expect(writer.close()).rejects.toBeInstanceOf(WalIoError)
  expect(log.fs.openHandles).toBe(0)
  await log.open()
  expect(await log.values()).toEqual(['a'])
})

test('an append made while its predecessor fails is not acknowledged before the caller has seen the failure', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  const seen: string[] = []
  log.fs.faults.failNext('sync', 'EIO')
  const first = append(writer, 'a').catch(() => seen.push('rejected'))
  const second = append(writer, 'b').catch(() =>
    append(writer, 'b again').then((offset) => seen.push(`offset ${offset}`)),
  )
  await Promise.all([first, second])
  expect(seen).toEqual(['rejected', 'offset 0'])
})

test('an append over maxPendingBytes rejects at once, and waiting appends are not touched', async () => {
  const log = new LogFixture({ maxPendingBytes: 2000 })
  const writer = await log.open()
  await append(writer, 'a')
  const held = log.fs.faults.hold('sync')
  const accepted = [append(writer, 'x'.repeat(500)), append(writer, 'x'.repeat(500))]
  await held.reached
  expect(await outcome(append(writer, 'x'.repeat(500)))).toMatchObject({
    code: 'SQ_WAL_BACKLOG_FULL',
    pendingBytes: 1560,
    maxPendingBytes: 2000,
  })
  held.release()
  expect(await Promise.all(accepted)).toEqual([1n, 2n])
  expect(await append(writer, 'x'.repeat(5000))).toBe(3n)
})

test('after failures nothing is counted as pending', async () => {
  const log = new LogFixture({ maxPendingBytes: 2000 })
  const writer = await log.open()
  for (let round = 0; round < 20; round++) {
    log.fs.faults.failNext('sync', 'EIO')
    await expect(appendAll(writer, numbered(3))).rejects.toBeInstanceOf(AppendFailedError)
  }
  expect(await appendAll(writer, numbered(3))).toEqual([0n, 1n, 2n])
})
