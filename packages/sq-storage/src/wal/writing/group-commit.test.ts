/** When commits begin: which appends share one, which do not wait, and that none starves. */
import * as timers from 'node:timers'
import { setImmediate } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { ManualClock, Random } from '@sq/sim'
import { resolveConfig } from '../../config.ts'
import { append, LogFixture } from '../../testing/log-fixture.ts'
import { locatePartition } from '../segments/partition.ts'
import type { WrittenFrames } from '../shared/recent-frames.ts'
import { SharedLog } from '../shared/shared-log.ts'
import { recordOf } from './checked-record.ts'
import { Commit } from './commit.ts'
import { GroupCommit } from './group-commit.ts'
import { LogTail } from './log-tail.ts'
import { PartitionLock, SegmentDirectory } from './partition-directory.ts'
import { recoverLog } from './recovery.ts'
import { WriterMeter } from './writer-meter.ts'

const LARGE = Buffer.alloc(300_000, 1)

/** The writes to the segment and the acknowledgements, in order. */
function recorded(log: LogFixture): string[] {
  const events: string[] = []
  log.fs.operations.observe(({ operation, phase, path }) => {
    if (operation === 'write' && phase === 'start' && path.endsWith('.wal')) events.push('write')
  })
  return events
}

test('a large commit is started at once, and later records go into the next one', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'makes the segment')
  await setImmediate()
  const events = recorded(log)
  const appends = [append(writer, 'small'), append(writer, LARGE)]
  expect(events).toEqual(['write'])
  appends.push(append(writer, 'behind'))
  expect(await Promise.all(appends)).toEqual([1n, 2n, 3n])
  expect(writer.stats().commits).toBe(3)
  expect(events).toEqual(['write', 'write'])
})

test('small ones of one turn of the event loop share a commit, which is started after it', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'makes the segment')
  const events = recorded(log)
  const appends = [append(writer, 'a'), append(writer, 'b')]
  expect(events).toEqual([])
  await Promise.all(appends)
  expect(events).toEqual(['write'])
})

test('a large waiting commit starts before the callers of the commit before it are acknowledged', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'makes the segment')
  const events = recorded(log)
  const hold = log.fs.faults.hold('sync', log.path(0))
  const first = append(writer, LARGE).then(() => events.push('first acknowledged'))
  await hold.reached
  const second = append(writer, LARGE).then(() => events.push('second acknowledged'))
  await setImmediate()
  hold.release()
  await Promise.all([first, second])
  expect(events).toEqual(['write', 'write', 'first acknowledged', 'second acknowledged'])
})

test('the event loop turns between commits of any size, even if the disk answers at once', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'makes the segment')
  const events = recorded(log)
  let turning = timers.setImmediate(turn)
  function turn(): void {
    events.push('turn')
    turning = timers.setImmediate(turn)
  }
  for (let at = 0; at < 20; at++) await append(writer, LARGE)
  timers.clearImmediate(turning)
  expect(events.filter((event) => event === 'write')).toHaveLength(20)
  expect(events.join(' ')).not.toContain('write write')
})

test('a failed large commit rejects everything that waits behind it, large or small', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'makes the segment')
  const hold = log.fs.faults.hold('sync', log.path(0))
  log.fs.faults.failNext('sync', 'EIO')
  const doomed = [append(writer, LARGE), append(writer, LARGE), append(writer, 'small')]
  const outcomes = Promise.allSettled(doomed)
  await hold.reached
  hold.release()
  expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
  expect(writer.nextOffset).toBe(1n)
  expect(await append(writer, 'after')).toBe(1n)
  expect(await log.values()).toEqual(['makes the segment', 'after'])
})

test('a clock that throws fails one commit, and the next go on', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'before')
  const thrown = vi.spyOn(log.clock, 'monotonic').mockImplementationOnce(() => {
    throw new Error('the clock is broken')
  })
  await expect(append(writer, 'fails')).rejects.toThrow('the clock is broken')
  thrown.mockRestore()
  expect(await append(writer, 'after')).toBe(1n)
  expect(await log.values()).toEqual(['before', 'after'])
})

/** A group commit on a log tail that the test provides, so that its state can be inconsistent. */
function groupAt(tail: { readonly nextOffset: number; readonly write: () => Promise<WrittenFrames> }): GroupCommit {
  const config = resolveConfig({ dataDir: '/data' })
  const clock = new ManualClock()
  const meter = new WriterMeter(locatePartition('/data', 'orders', 0), clock)
  return new GroupCommit({ config, clock, meter, tail, shared: new SharedLog() })
}

function appendTo(group: GroupCommit, value: string): Promise<bigint> {
  const record = recordOf(null, Buffer.from(value), [], 0)
  return new Promise((resolve, reject) => void group.append([record], { resolve, reject }))
}

test('an append is not acknowledged if the log does not end where its commit ends', async () => {
  const tail = { nextOffset: 5, write: () => Promise.resolve({ bytes: 0, copy: () => expect.unreachable() }) }
  const failure: unknown = await appendTo(groupAt(tail), 'lost').catch((error: unknown) => error)
  expect(failure).toMatchObject({ code: 'SQ_WAL_APPEND_FAILED', cause: { code: 'SQ_WAL_INVARIANT' } })
})

test('a log whose active segment ends at another offset is not written', async () => {
  const log = new LogFixture()
  const written = await log.open()
  await append(written, 'first')
  await written.close()
  const partition = locatePartition(log.config.dataDir, 'orders', 0)
  const lock = await PartitionLock.take(log.fs, log.config.dataDir, partition)
  const directory = new SegmentDirectory(log.fs, partition.directory, lock)
  const recovered = await recoverLog(directory, partition, log.clock)
  const file = await log.file(log.path(0))
  const meter = new WriterMeter(partition, log.clock)
  const random = new Random(1n)
  const config = resolveConfig(log.config)
  const context = { config, partition, directory, clock: log.clock, random, meter, onSegmentClosed: undefined }
  const tail = new LogTail(context, { ...recovered, nextOffset: recovered.nextOffset + 1 })
  const commit = new Commit()
  const record = recordOf(null, Buffer.from('second'), [], 0)
  commit.add([record], record.encodedBytes, { resolve: () => {}, reject: () => {} })
  await expect(tail.write(commit)).rejects.toMatchObject({ code: 'SQ_WAL_INVARIANT' })
  expect(await log.file(log.path(0))).toEqual(file)
  await tail.close()
  await lock.release()
})

test('a commit without records has no frame', () => {
  const place = { position: 96, nextOffset: 0, previousCrc: 0, salt: 0 }
  expect(() => new Commit().encode(place)).toThrow('a commit that is written holds records')
})
