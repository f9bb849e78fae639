import { expect, test, vi } from 'vitest'
import { append, appendAll, appendEach, LogFixture, TIMESTAMP_MS } from '../../testing/log-fixture.ts'

const none = {
  nextOffset: 0n,
  records: 0,
  commits: 0,
  bytes: 0,
  failedCommits: 0,
  commitMs: 0,
  longestCommitMs: 0,
  rotations: 0,
  abandonedSegments: 0,
  deletions: 0,
  failedMarks: 0,
  pendingRecords: 0,
  pendingBytes: 0,
  segments: 0,
  diskBytes: 0,
  activeSegmentBytes: 0,
  oldestTimestampMs: null,
  newestTimestampMs: null,
}

/** A log with one active segment that takes as many bytes on the disk as it holds. */
function oneSegmentOf(bytes: number) {
  const times = { oldestTimestampMs: TIMESTAMP_MS, newestTimestampMs: TIMESTAMP_MS }
  return { ...times, segments: 1, diskBytes: bytes, activeSegmentBytes: bytes }
}

test('the counters of a new writer are 0', async () => {
  const log = new LogFixture()
  const first = await log.open()
  expect(first.stats()).toEqual(none)
  await append(first, 'a')
  await first.close()
  const second = await log.open()
  expect(second.stats()).toEqual({ ...none, nextOffset: 1n, ...oneSegmentOf(4136) })
})

test('records, commits and bytes count what is durable; the backlog is counted separately', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  const held = log.fs.faults.hold('sync')
  const pending = append(writer, 'a')
  await held.reached
  const behind = appendAll(writer, ['b', 'c'])
  // Each of 25 bytes, and 256 for the append.
  expect(writer.stats()).toEqual({ ...none, pendingRecords: 3, pendingBytes: 843 })
  held.release()
  await Promise.all([pending, behind])
  const counted = { nextOffset: 3n, records: 3, commits: 2, bytes: 168 }
  expect(writer.stats()).toMatchObject({ ...none, ...counted, ...oneSegmentOf(288), diskBytes: expect.any(Number) })
})

test('a snapshot of the counters does not change', async () => {
  const writer = await new LogFixture().open()
  const before = writer.stats()
  await append(writer, 'a')
  expect(before).toEqual(none)
})

test('commits are timed by the monotonic clock, including those that fail', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'a')
  let ms = 0
  log.fs.operations.observe(({ operation, phase }) => {
    if (operation === 'write' && phase === 'start') log.clock.advance(ms)
  })
  log.clock.setNow(0)
  for (ms of [5, 20]) await append(writer, 'b')
  expect(writer.stats()).toMatchObject({ commits: 3, commitMs: 25, longestCommitMs: 20 })
  ms = 30
  log.fs.faults.failNext('sync', 'EIO')
  await append(writer, 'c').catch(() => {})
  expect(writer.stats()).toMatchObject({ commits: 3, failedCommits: 1, commitMs: 55, longestCommitMs: 30 })
})

test('failures count by commit, abandoned segments and rotations by segment', async () => {
  const log = new LogFixture({ maxSegmentBytes: 1000 })
  const writer = await log.open()
  await append(writer, 'a')
  log.fs.faults.failNext('sync', 'EIO')
  await Promise.allSettled([append(writer, 'b'), append(writer, 'c')])
  expect(writer.stats()).toMatchObject({
    records: 1,
    failedCommits: 1,
    abandonedSegments: 0,
    pendingRecords: 0,
    pendingBytes: 0,
  })
  await appendEach(writer, [Buffer.alloc(600), Buffer.alloc(600)])
  await writer.closeActiveSegment()
  expect(writer.stats()).toMatchObject({
    nextOffset: 3n,
    records: 3,
    failedCommits: 1,
    abandonedSegments: 1,
    rotations: 2,
  })
  await writer.close()
  expect(writer.stats()).toMatchObject({ nextOffset: 3n, records: 3 })
})

test('an append is not timed while nobody listens to appends', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'a')
  const hold = log.fs.faults.hold('write')
  const first = append(writer, 'b')
  await hold.reached
  const timed = vi.spyOn(log.clock, 'monotonic')
  const second = append(writer, 'c')
  expect(timed).not.toHaveBeenCalled()
  hold.release()
  expect(await Promise.all([first, second])).toEqual([1n, 2n])
})
