/** Durability markers that cannot be written: nothing is lost, and the failure is reported. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { expect, onTestFinished, test } from 'vitest'
import type { AbandonEvent, RecoverEvent } from '../../index.ts'
import { append, LogFixture } from '../../testing/log-fixture.ts'

/** The messages of a channel from now on. */
function messages<T>(channel: 'sq:wal:abandon' | 'sq:wal:recover'): T[] {
  const heard: T[] = []
  const listener = (message: unknown): void => void heard.push(message as T)
  subscribe(channel, listener)
  onTestFinished(() => void unsubscribe(channel, listener))
  return heard
}

/** A log with two records that a killed process left. */
async function abandonedLog(): Promise<LogFixture> {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'a')
  await append(writer, 'b')
  log.fs.kill()
  return log
}

/** Recovery writes the unconfirmed bytes first, then the MARKs. */
test.each([
  ['write', 'ENOSPC'],
  ['sync', 'EIO'],
] as const)('recovery that cannot %s its MARKs opens the log and reports it', async (on, error) => {
  const [recovered, abandoned] = [messages<RecoverEvent>('sq:wal:recover'), messages<AbandonEvent>('sq:wal:abandon')]
  const log = await abandonedLog()
  log.fs.faults.add({ on, path: log.path(0), when: { nth: 2 }, fault: { error } })
  const writer = await log.open()
  const told = { code: 'SQ_WAL_IO', path: log.path(0), cause: { code: error } }
  expect(writer.recovery).toMatchObject({ kind: 'clean', nextOffset: 2n, torn: null, markError: told })
  expect(recovered.at(-1)).toMatchObject({ recovery: { markError: told } })
  expect(writer.stats()).toMatchObject({ failedMarks: 1, abandonedSegments: 0, failedCommits: 0 })

  expect(await append(writer, 'c')).toBe(2n)
  expect(abandoned).toMatchObject([{ path: log.path(0), nextOffset: 2n, error: told }])
  expect(writer.stats()).toMatchObject({ failedMarks: 1, abandonedSegments: 1, failedCommits: 0 })
  log.fs.crash()
  await log.open()
  expect(await log.values()).toEqual(['a', 'b', 'c'])
})

test('what recovery exposed without its MARKs is durable', async () => {
  const log = await abandonedLog()
  log.fs.faults.add({ on: 'write', path: log.path(0), when: { nth: 2 }, fault: { error: 'EIO' } })
  const writer = await log.open()
  expect(writer.recovery.markError).toMatchObject({ code: 'SQ_WAL_IO' })
  log.fs.crash()
  await log.open()
  expect(await log.values()).toEqual(['a', 'b'])
})

test('recovery that writes its MARKs, or needs none, reports no error', async () => {
  const log = new LogFixture()
  const first = await log.open()
  expect(first.recovery.markError).toBeNull()
  await append(first, 'a')
  log.fs.kill()
  const second = await log.open()
  expect(second.recovery.markError).toBeNull()
  await second.closeActiveSegment()
  await second.close()
  const third = await log.open()
  expect(third.recovery.markError).toBeNull()
  expect(third.stats().failedMarks).toBe(0)
})

test.each([
  [
    'a commit',
    'EIO',
    async (log: LogFixture) => {
      const writer = await log.open()
      await append(writer, 'a')
      log.fs.faults.failNext('sync', 'EIO')
      await expect(append(writer, 'fails')).rejects.toMatchObject({ code: 'SQ_WAL_APPEND_FAILED' })
      await append(writer, 'b')
      return writer.stats()
    },
    0,
  ],
  [
    'a SEAL',
    'ENOSPC',
    async (log: LogFixture) => {
      const writer = await log.open()
      await append(writer, 'a')
      log.fs.faults.failNext('write', 'ENOSPC')
      await expect(writer.closeActiveSegment()).rejects.toMatchObject({ code: 'SQ_WAL_IO' })
      await append(writer, 'b')
      return writer.stats()
    },
    1,
  ],
] as const)('after a failed write of %s the new segment tells of the error', async (_, code, act, failedMarks) => {
  const abandoned = messages<AbandonEvent>('sq:wal:abandon')
  const log = new LogFixture()
  expect(await act(log)).toMatchObject({ abandonedSegments: 1, failedMarks })
  expect(abandoned).toMatchObject([{ path: log.path(0), error: { code: 'SQ_WAL_IO', cause: { code } } }])
  expect(await log.values()).toEqual(['a', 'b'])
})

test('MARKs that cannot be written on closing are counted', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'a')
  log.fs.faults.failNext('write', 'EIO')
  await expect(writer.close()).rejects.toMatchObject({ code: 'SQ_WAL_IO' })
  expect(writer.stats().failedMarks).toBe(1)
  expect(log.fs.openHandles).toBe(0)
})

test('a segment without a record is closed with MARKs, too', async () => {
  const log = await abandonedLog()
  const writer = await log.open()
  await writer.truncate(0n)
  const { sizeBytes } = await log.fs.stat(log.path(0))
  await writer.close()
  expect((await log.fs.stat(log.path(0))).sizeBytes).toBeGreaterThan(sizeBytes)
})
