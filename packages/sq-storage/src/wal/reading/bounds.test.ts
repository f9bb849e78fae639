/** The bounds of a log, as its writer knows them and as readers find them. */
import { Random } from '@sq/sim'
import type { FileSystem } from '@sq/sim'
import { beforeEach, describe, expect, test } from 'vitest'
import { ClosedError, WalReader } from '../../index.ts'
import type { WalWriter } from '../../index.ts'
import { actingBeforeOpening, inAnotherProcess } from '../../testing/another-process.ts'
import { append, appendEach, LogFixture, numbered, TIMESTAMP_MS } from '../../testing/log-fixture.ts'
import { MeasuredFiles } from '../../testing/measured-files.ts'

let log: LogFixture
let writer: WalWriter

beforeEach(async () => {
  log = new LogFixture({ maxSegmentBytes: 600 })
  writer = await log.open()
})

function openReader(fs: FileSystem): Promise<WalReader> {
  return WalReader.open(fs, log.config, 'orders', 0, { clock: log.clock })
}

function elsewhere(): FileSystem {
  return inAnotherProcess(log.fs, new Random(1))
}

describe.each(['here', 'in another process'])('the bounds that a reader finds %s', (where) => {
  let reader: WalReader

  beforeEach(async () => {
    reader = await openReader(where === 'here' ? log.fs : elsewhere())
  })

  async function expectBounds(logStartOffset: bigint, logEndOffset: bigint): Promise<void> {
    expect(await reader.bounds()).toEqual({ logStartOffset, logEndOffset })
    expect([writer.logStartOffset, writer.logEndOffset, writer.nextOffset]).toEqual([
      logStartOffset,
      logEndOffset,
      logEndOffset,
    ])
  }

  test('are right after a reset that goes back, whatever was fetched and looked at before', async () => {
    await appendEach(writer, numbered(5))
    await reader.fetch({ from: 0n })
    await appendEach(writer, numbered(5))
    await expectBounds(0n, 10n)
    await writer.resetTo(5n)
    await expectBounds(5n, 5n)
    await append(writer, 'a')
    await expectBounds(5n, 6n)
  })

  test('are those of the writer, whatever it does', async () => {
    await expectBounds(0n, 0n)
    await appendEach(writer, numbered(20))
    await expectBounds(0n, 20n)
    await append(writer, 'more')
    await expectBounds(0n, 21n)
    await writer.deleteRecords(7n)
    await expectBounds(7n, 21n)
    await writer.deleteSegments({ belowOffset: 15n })
    const { logStartOffset } = writer
    expect(logStartOffset).toBeGreaterThan(7n)
    await expectBounds(logStartOffset, 21n)
    await writer.truncate(18n)
    await expectBounds(logStartOffset, 18n)
    await appendEach(writer, ['other', 'records'])
    await expectBounds(logStartOffset, 20n)
    await writer.deleteRecords(20n)
    await expectBounds(20n, 20n)
    await writer.resetTo(5n)
    await expectBounds(5n, 5n)
    await append(writer, 'new')
    await expectBounds(5n, 6n)
    await writer.close()
    await expectBounds(5n, 6n)
  })

  test('leave no file open once the reader is closed', async () => {
    await appendEach(writer, numbered(5))
    await reader.bounds()
    await reader.close()
    expect(await reader.bounds().catch((error: unknown) => error)).toBeInstanceOf(ClosedError)
    await writer.close()
    expect(log.fs.openHandles).toBe(0)
  })
})

test("in the writer's thread, bounds and fetches at the end list and read nothing", async () => {
  await appendEach(writer, numbered(20))
  const files = new MeasuredFiles(log.fs)
  const reader = await openReader(files.fs)
  await reader.fetch({ from: 20n })
  const trace = log.fs.operations.trace()
  expect(await reader.bounds()).toEqual({ logStartOffset: 0n, logEndOffset: 20n })
  expect(await reader.fetch({ from: 20n })).toMatchObject({ logStartOffset: 0n, batches: [] })
  expect(trace.lines.filter((line) => !line.startsWith('stat '))).toEqual([])
})

test('in another process, later calls read only what is new', async () => {
  await append(writer, 'x'.repeat(100_000))
  const files = new MeasuredFiles(elsewhere())
  const reader = await openReader(files.fs)
  await reader.bounds()
  const before = files.bytesRead
  for (let end = 2n; end < 6n; end++) {
    await append(writer, 'y')
    expect(await reader.bounds()).toEqual({ logStartOffset: 0n, logEndOffset: end })
  }
  expect(files.bytesRead - before).toBeLessThan(20_000)
})

test('in another process, bounds are looked for again if all records are deleted meanwhile', async () => {
  await appendEach(writer, numbered(5))
  const reader = await openReader(actingBeforeOpening(1, log.fs, () => writer.deleteRecords(5n)))
  expect(await reader.bounds()).toEqual({ logStartOffset: 5n, logEndOffset: 5n })
  await reader.close()
})

test('a writer knows how large its log is, without reading', async () => {
  const empty = { segments: 0, diskBytes: 0, activeSegmentBytes: 0, oldestTimestampMs: null, newestTimestampMs: null }
  expect(writer.stats()).toMatchObject(empty)
  await writer.append(null, Buffer.from('a'), [], TIMESTAMP_MS + 5)
  await writer.append(null, Buffer.from('b'), [], TIMESTAMP_MS + 9)
  await writer.closeActiveSegment()
  await writer.append(null, Buffer.from('c'), [], TIMESTAMP_MS + 7)
  await writer.append(null, Buffer.from('d'), [], TIMESTAMP_MS + 2)
  const sizes: number[] = []
  for (const name of await log.segmentNames()) sizes.push((await log.file(`${log.directory}/${name}`)).length)
  const stats = writer.stats()
  expect(stats).toMatchObject({ segments: 2, oldestTimestampMs: TIMESTAMP_MS + 2, newestTimestampMs: TIMESTAMP_MS + 9 })
  expect(stats.diskBytes).toBe(sizes.reduce((sum, size) => sum + size, 0))
  expect(stats.activeSegmentBytes).toBeGreaterThan(100)
  expect(stats.activeSegmentBytes).toBeLessThanOrEqual(sizes[1] ?? 0)
  await writer.deleteSegments({ belowOffset: 2n })
  expect(writer.stats()).toMatchObject({ segments: 1, newestTimestampMs: TIMESTAMP_MS + 7 })
})

test('the size of an abandoned file that cannot be looked at is not less than it is', async () => {
  await append(writer, 'a')
  log.fs.faults.failNext('sync', 'EIO', log.path(0))
  await expect(append(writer, 'b'.repeat(50_000))).rejects.toThrow('EIO')
  log.fs.faults.failNext('size', 'EIO', log.path(0))
  await append(writer, 'b')
  let bytes = 0
  for (const name of await log.segmentNames()) bytes += (await log.file(`${log.directory}/${name}`)).length
  expect(writer.stats()).toMatchObject({ segments: 2, diskBytes: bytes })
})

test('an active segment without records has no times', async () => {
  await writer.append({ value: Buffer.from('a'), timestampMs: 1 })
  await writer.truncate(0n)
  expect(writer.stats()).toMatchObject({ segments: 1, oldestTimestampMs: null, newestTimestampMs: null })
})

test('a writer that does not know the times of a segment states none, until it has looked at it', async () => {
  for (const timestampMs of [3, 2, 1]) {
    await writer.append(null, Buffer.from('a'), [], timestampMs)
    await writer.closeActiveSegment()
  }
  await writer.close()
  const again = await log.open()
  expect(again.stats()).toMatchObject({ segments: 3, oldestTimestampMs: null, newestTimestampMs: null })
  await again.deleteSegments({ belowOffset: 1n })
  expect(again.stats()).toMatchObject({ segments: 2, oldestTimestampMs: 1, newestTimestampMs: 2 })
  await again.deleteSegments({ belowOffset: 2n })
  expect(again.stats()).toMatchObject({ segments: 1, oldestTimestampMs: 1, newestTimestampMs: 1 })
})

test('a writer that does not know the times of an ended segment states none, whatever it has appended since', async () => {
  for (const timestampMs of [3, 2]) {
    await writer.append({ value: Buffer.from('a'), timestampMs })
    await writer.closeActiveSegment()
  }
  await writer.close()
  const again = await log.open()
  await again.append({ value: Buffer.from('a'), timestampMs: 1 })
  expect(again.stats()).toMatchObject({ segments: 3, oldestTimestampMs: null, newestTimestampMs: null })
})

test('a writer does not know the times of a segment that was cut, until it has looked at it', async () => {
  for (const timestampMs of [1, 2, 3]) await writer.append({ value: Buffer.from('a'), timestampMs })
  await writer.truncate(2n)
  expect(writer.stats()).toMatchObject({ oldestTimestampMs: null, newestTimestampMs: null })
  await writer.deleteSegments({ belowOffset: 1n })
  expect(writer.stats()).toMatchObject({ oldestTimestampMs: 1, newestTimestampMs: 2 })
})
