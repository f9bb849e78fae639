import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { expect, onTestFinished, test, vi } from 'vitest'
import { AppendFailedError, listSegments, WalReader } from '../../index.ts'
import type { RecordBatch, WalEvents } from '../../index.ts'
import { append, appendAll, appendEach, bytes, LogFixture, numbered, TIMESTAMP_MS } from '../../testing/log-fixture.ts'
import { publish } from './diagnostics.ts'

const log0 = { topic: 'orders', partition: 0, directory: '/data/orders/0' }

/** The messages of a channel from now to the end of the test. */
function listen<Name extends keyof WalEvents>(name: Name): WalEvents[Name][] {
  const events: WalEvents[Name][] = []
  const listener = (event: unknown): number => events.push(event as WalEvents[Name])
  subscribe(name, listener)
  onTestFinished(() => void unsubscribe(name, listener))
  return events
}

/** A file system on which every sync takes that long, by the log's clock. */
function slowSyncs(log: LogFixture, ms: number): void {
  log.fs.operations.observe(({ operation, phase }) => {
    if (operation === 'sync' && phase === 'start') log.clock.advance(ms)
  })
}

test('each opening publishes what it found, and how long it took', async () => {
  const events = listen('sq:wal:recover')
  const log = new LogFixture()
  slowSyncs(log, 3)
  const first = await log.open()
  await append(first, 'a')
  await first.close()
  log.fs.operations.resetCounts()
  const second = await log.open()
  expect(events).toEqual([
    { ...log0, recovery: first.recovery, durationMs: 0 },
    { ...log0, recovery: second.recovery, durationMs: 3 * log.fs.operations.count('sync') },
  ])
  expect(events[1]?.recovery.nextOffset).toBe(1n)
})

test('each acknowledged append and batch publishes an event with the time that it waited', async () => {
  const events = listen('sq:wal:append')
  const log = new LogFixture()
  slowSyncs(log, 5)
  const writer = await log.open()
  await append(writer, 'ab')
  const record = { key: null, value: bytes('c'), headers: [], timestampMs: TIMESTAMP_MS }
  log.clock.advance(100)
  await Promise.all([writer.appendBatch([record, record]), append(writer, '')])
  // The first commit creates a segment, which takes another sync.
  expect(events).toEqual([
    { ...log0, offset: 0n, records: 1, bytes: 26, durationMs: 10 },
    { ...log0, offset: 1n, records: 2, bytes: 50, durationMs: 5 },
    { ...log0, offset: 3n, records: 1, bytes: 24, durationMs: 5 },
  ])
})

test('the event of a batch counts all its bytes, and those of encoded batches together', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  const record = { key: null, value: bytes('c'), headers: [], timestampMs: TIMESTAMP_MS }
  const opaque = { payload: bytes('packed'), recordCount: 3, minTimestampMs: 4, maxTimestampMs: 9 }
  const events = listen('sq:wal:append')
  await writer.appendBatch([record, record], { metadata: bytes('meta') })
  await writer.appendOpaque({ ...opaque, metadata: bytes('codec 4') })
  const [first, second] = [
    { offset: 0n, records: 2, bytes: 8 + 50, durationMs: 0 },
    { offset: 2n, records: 3, bytes: 11 + 16 + 6, durationMs: 0 },
  ]
  expect(events.splice(0)).toEqual([first, second].map((event) => ({ ...log0, ...event })))
  const batches: RecordBatch[] = []
  for await (const batch of (await WalReader.open(log.fs, log.config, 'orders', 0)).readBatches()) batches.push(batch)
  const replica = new LogFixture()
  await (await replica.open()).appendEncoded(batches)
  const bytesOfBoth = first.bytes + second.bytes
  expect(events).toEqual([{ ...log0, offset: 0n, records: 5, bytes: bytesOfBoth, durationMs: 0 }])
})

test('a rejected append publishes no event', async () => {
  const events = listen('sq:wal:append')
  const log = new LogFixture()
  const writer = await log.open()
  log.fs.faults.failNext('sync', 'EIO')
  await expect(append(writer, 'a')).rejects.toBeInstanceOf(AppendFailedError)
  expect(events).toEqual([])
})

test('each commit publishes what was written, how long it took, and its reason', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'a')
  slowSyncs(log, 7)
  const events = listen('sq:wal:commit')
  const held = log.fs.faults.hold('sync')
  const first = append(writer, 'b')
  await held.reached
  const behind = appendAll(writer, ['c', 'd'])
  held.release()
  await Promise.all([first, behind])
  await appendEach(writer, ['e', 'f'])
  const one = { ...log0, records: 1, bytes: 72, durationMs: 7, error: null }
  expect(events).toEqual([
    { ...one, baseOffset: 1n, reason: 'idle' },
    { ...one, baseOffset: 2n, records: 2, bytes: 96, reason: 'grouped' },
    { ...one, baseOffset: 4n, reason: 'idle' },
    { ...one, baseOffset: 5n, reason: 'idle' },
  ])
})

test('a commit is full when later records had to go into the next one', async () => {
  const events = listen('sq:wal:commit')
  const log = new LogFixture({ maxSegmentBytes: 1000 })
  const writer = await log.open()
  await appendAll(writer, [Buffer.alloc(500), Buffer.alloc(500), Buffer.alloc(500)])
  expect(events.map(({ reason }) => reason)).toEqual(['full', 'full', 'idle'])
})

const failure: unknown = expect.objectContaining({ code: 'SQ_WAL_IO' })

test('a failed commit publishes its error, and then the offset at which the log continues', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'a')
  const { length } = await log.file(log.path(0))
  const [commits, abandoned] = [listen('sq:wal:commit'), listen('sq:wal:abandon')]
  log.fs.faults.failNext('sync', 'EIO')
  const error: unknown = await append(writer, 'b').catch((thrown: unknown) => thrown)
  await append(writer, 'b again')
  expect(commits.map(({ baseOffset, error: told }) => [baseOffset, told])).toEqual([
    [1n, error],
    [1n, null],
  ])
  expect(abandoned).toEqual([{ ...log0, path: log.path(0), bytes: length, nextOffset: 1n, error: failure }])
})

test('abandon says 0 bytes of a file without records, which the new one replaced', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  const abandoned = listen('sq:wal:abandon')
  log.fs.faults.add({ on: 'sync', path: log.path(0), fault: { error: 'EIO' } })
  await append(writer, 'a').catch(() => {})
  await append(writer, 'a again')
  expect(abandoned).toEqual([{ ...log0, path: log.path(0), bytes: 0, nextOffset: 0n, error: failure }])
})

test('each sealed segment publishes an event with the reason', async () => {
  const events = listen('sq:wal:rotate')
  const log = new LogFixture({ maxSegmentBytes: 1000, maxSegmentAgeMs: 60_000 })
  const writer = await log.open()
  await appendEach(writer, [Buffer.alloc(600), Buffer.alloc(600)])
  log.clock.advance(60_000)
  await append(writer, 'late')
  await writer.closeActiveSegment()
  await writer.closeActiveSegment()
  expect(events).toEqual(
    ['size', 'age', 'request'].map((reason, index) => ({ ...log0, segment: log.closed[index], reason })),
  )
})

test('an exception of a subscriber is uncaught, and not a failure of the log', async () => {
  const thrown = vi.fn()
  process.setUncaughtExceptionCaptureCallback(thrown)
  onTestFinished(() => process.setUncaughtExceptionCaptureCallback(null))
  const error = new Error('a bad listener')
  const names = ['sq:wal:append', 'sq:wal:commit', 'sq:wal:rotate', 'sq:wal:abandon', 'sq:wal:recover'] as const
  const listener = (): never => {
    throw error
  }
  for (const name of names) subscribe(name, listener)
  onTestFinished(() => names.forEach((name) => unsubscribe(name, listener)))
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'a')
  log.fs.faults.failNext('sync', 'EIO')
  await expect(append(writer, 'b')).rejects.toBeInstanceOf(AppendFailedError)
  expect(await append(writer, 'b again')).toBe(1n)
  await writer.closeActiveSegment()
  await writer.close()
  expect(await log.values()).toEqual(['a', 'b again'])
  // One recovery, three commits, two acknowledgements, one abandoned segment, one segment sealed.
  expect(thrown.mock.calls.map(([told]): unknown => told)).toEqual(Array.from({ length: 8 }, () => error))
})

test('a listener may append, and read the stats, while it is called', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  const more: Promise<bigint>[] = []
  const seen: bigint[] = []
  const listener = (): void => {
    seen.push(writer.stats().nextOffset)
    if (more.length < 20) more.push(append(writer, `more ${more.length}`))
  }
  for (const name of ['sq:wal:append', 'sq:wal:commit'] as const) {
    subscribe(name, listener)
    onTestFinished(() => void unsubscribe(name, listener))
  }
  await appendAll(writer, numbered(3))
  for (const pending of more) await pending
  expect(await log.values()).toHaveLength(23)
  expect(seen[0]).toBe(3n)
})

test('without a subscriber nothing is built', () => {
  const details = vi.fn()
  publish('sq:wal:delete', log0, details)
  expect(details).not.toHaveBeenCalled()
})

test('each deleted segment publishes an event', async () => {
  const events = listen('sq:wal:delete')
  const log = new LogFixture({ maxSegmentBytes: 1000 })
  const writer = await log.open()
  await appendEach(writer, [Buffer.alloc(600), Buffer.alloc(600), Buffer.alloc(600)])
  const [first, second] = await listSegments(log.fs, log.config, 'orders', 0)
  log.fs.faults.add({ on: 'unlink', path: log.path(1), fault: { error: 'EIO' } })
  await expect(writer.deleteSegments({ belowOffset: 2n })).rejects.toThrow('EIO')
  expect(events).toEqual([{ ...log0, segment: first }])
  await writer.deleteSegments({ belowOffset: 2n })
  expect(events).toEqual([first, second].map((segment) => ({ ...log0, segment })))
  expect(writer.stats()).toMatchObject({ deletions: 2 })
})

test('a removal whose directory sync fails publishes its event once a later deletion has made it durable', async () => {
  const events = listen('sq:wal:delete')
  const log = new LogFixture({ maxSegmentBytes: 1000 })
  const writer = await log.open()
  await appendEach(writer, [Buffer.alloc(600), Buffer.alloc(600), Buffer.alloc(600)])
  const [first, second] = await listSegments(log.fs, log.config, 'orders', 0)
  log.fs.faults.failNext('syncDirectory', 'EIO', log.directory)
  await expect(writer.deleteSegments({ belowOffset: 1n })).rejects.toThrow('EIO')
  expect([events, writer.stats().deletions]).toEqual([[], 0])
  log.fs.faults.failNext('syncDirectory', 'EIO', log.directory)
  await expect(writer.deleteSegments({ belowOffset: 2n })).rejects.toThrow('EIO')
  expect(events).toEqual([])
  expect(await writer.deleteSegments({ belowOffset: 2n })).toEqual([second])
  expect(events).toEqual([first, second].map((segment) => ({ ...log0, segment })))
  expect(writer.stats()).toMatchObject({ deletions: 2 })
})

test('each deletion of records publishes the log start offset before and after it, once it is durable', async () => {
  const events = listen('sq:wal:delete-records')
  const log = new LogFixture()
  const writer = await log.open()
  await appendAll(writer, numbered(5))
  slowSyncs(log, 4)
  await writer.deleteRecords(2n)
  expect(events).toEqual([{ ...log0, previousLogStartOffset: 0n, logStartOffset: 2n, durationMs: 4 }])
  await writer.deleteRecords(2n)
  log.fs.faults.failNext('rename', 'EIO')
  await expect(writer.deleteRecords(3n)).rejects.toThrow('EIO')
  expect(events.slice(1)).toEqual([])
  await writer.deleteRecords(4n)
  expect(events.slice(1)).toEqual([{ ...log0, previousLogStartOffset: 2n, logStartOffset: 4n, durationMs: 4 }])
})

test('each reset publishes the log end offset before and after it', async () => {
  const events = listen('sq:wal:reset')
  const log = new LogFixture()
  const writer = await log.open()
  await appendEach(writer, numbered(5))
  await writer.resetTo(9n)
  expect(events).toEqual([{ ...log0, previousNextOffset: 5n, nextOffset: 9n }])
  log.fs.faults.failNext('rename', 'EIO', /reset$/)
  await expect(writer.resetTo(2n)).rejects.toThrow('EIO')
  expect(events.slice(1)).toEqual([])
  await append(writer, 'completes it first')
  expect(events.slice(1)).toEqual([{ ...log0, previousNextOffset: 9n, nextOffset: 2n }])
})

test('each truncation publishes the log end offset before and after it', async () => {
  const events = listen('sq:wal:truncate')
  const log = new LogFixture()
  const writer = await log.open()
  await appendEach(writer, numbered(5))
  await writer.truncate(5n)
  expect(events).toEqual([])
  await writer.truncate(4n)
  log.fs.faults.failNext('rename', 'EIO')
  await expect(writer.truncate(2n)).rejects.toThrow('EIO')
  expect(events).toEqual([{ ...log0, previousNextOffset: 5n, nextOffset: 4n }])
  await append(writer, 'completes it first')
  expect(events.slice(1)).toEqual([{ ...log0, previousNextOffset: 4n, nextOffset: 2n }])
})
