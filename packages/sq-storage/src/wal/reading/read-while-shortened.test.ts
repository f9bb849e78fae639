import { basename } from 'node:path'
import { Random } from '@sq/sim'
import { beforeEach, describe, expect, it } from 'vitest'
import { AppendFailedError, DivergedError, OffsetOutOfRangeError, WalIoError, WalReader } from '../../index.ts'
import type { LogRecord, ReadOptions, RecordBatch, WalWriter } from '../../index.ts'
import { inAnotherProcess } from '../../testing/another-process.ts'
import { append, appendBatch, appendEach, LogFixture, numbered } from '../../testing/log-fixture.ts'

let log: LogFixture
let writer: WalWriter

/** Twelve records, one per commit, in three segments of four. */
beforeEach(async () => {
  log = new LogFixture()
  writer = await log.open()
  for (let segment = 0; segment < 3; segment++) {
    await appendEach(writer, numbered(4))
    if (segment < 2) await writer.closeActiveSegment()
  }
})

async function iterate(options: ReadOptions = {}): Promise<AsyncIterableIterator<LogRecord>> {
  return (await WalReader.open(log.fs, log.config, 'orders', 0)).read(options)
}

async function iterateInAnotherProcess(options: ReadOptions): Promise<AsyncIterableIterator<LogRecord>> {
  const fs = inAnotherProcess(log.fs, new Random(1))
  return (await WalReader.open(fs, log.config, 'orders', 0)).read(options)
}

async function take(iteration: AsyncIterableIterator<LogRecord>, count: number): Promise<(bigint | undefined)[]> {
  const offsets: (bigint | undefined)[] = []
  for (let i = 0; i < count; i++) offsets.push((await iteration.next()).value?.offset)
  return offsets
}

function failure(iteration: AsyncIterableIterator<LogRecord>): Promise<unknown> {
  return iteration.next().then(
    () => null,
    (error: unknown) => error,
  )
}

describe.each([
  ['reads', {}],
  ['tails', { follow: true }],
])('while the log is truncated, a reader that %s', (_, options: ReadOptions) => {
  it.each([
    [10, 5n],
    [10, 9n],
    [12, 11n],
    [6, 0n],
    [6, 4n],
  ])('and has seen %d records, gets an error with offset %d, from which records are rolled back', async (seen, cut) => {
    const iteration = await iterate(options)
    await take(iteration, seen)
    await writer.truncate(cut)
    const error = await failure(iteration)
    expect(error).toBeInstanceOf(DivergedError)
    expect(error).toMatchObject({ offset: cut })
    await writer.close()
    expect(log.fs.openHandles).toBe(0)
  })

  it.each([
    [2, 4n],
    [4, 4n],
    [2, 3n],
    [0, 0n],
    [9, 9n],
    [3, 10n],
  ])('and has seen %d records, ends or continues at offset %d', async (seen, cut) => {
    const iteration = await iterate(options)
    await take(iteration, seen)
    await writer.truncate(cut)
    const left = Number(cut) - seen
    expect(await take(iteration, left)).toEqual(Array.from({ length: left }, (__, i) => BigInt(seen + i)))
    const next = iteration.next()
    await append(writer, 'new')
    const { value } = await next
    expect(value === undefined ? value : [value.offset, String(value.value)]).toEqual(
      options.follow === true ? [cut, 'new'] : undefined,
    )
    await iteration.return?.()
    await writer.close()
    expect(log.fs.openHandles).toBe(0)
  })

  it('never sees a record that is about to be removed, once truncation has begun', async () => {
    const iteration = await iterate(options)
    await take(iteration, 4)
    const hold = log.fs.faults.hold('unlink', log.path(8))
    const truncated = writer.truncate(6n)
    await hold.reached
    expect(await take(iteration, 2)).toEqual([4n, 5n])
    const next = iteration.next()
    hold.release()
    await truncated
    await append(writer, 'new')
    expect((await next).value?.offset).toBe(options.follow === true ? 6n : undefined)
    await iteration.return?.()
  })
})

it('a tailing reader that got part of a commit that is cut continues in the segment that holds that part', async () => {
  const batch = ['x', 'y', 'z'].map((value) => ({ key: null, value: Buffer.from(value), headers: [], timestampMs: 1 }))
  await writer.appendBatch(batch)
  await writer.closeActiveSegment()
  await append(writer, 'later')
  const iteration = await iterate({ follow: true, from: 11n })
  const hold = log.fs.faults.hold('unlink', log.path(15))
  const truncated = writer.truncate(14n)
  await hold.reached
  expect(await take(iteration, 3)).toEqual([11n, 12n, 13n])
  hold.release()
  await truncated
  await writer.closeActiveSegment()
  await append(writer, 'new')
  await writer.close()
  const { value } = await iteration.next()
  expect(value).toMatchObject({ offset: 14n, value: Buffer.from('new') })
  await iteration.return?.()
})

it('a reader that got part of a commit gets the rest if the truncation is aborted', async () => {
  const batch = ['x', 'y', 'z'].map((value) => ({ key: null, value: Buffer.from(value), headers: [], timestampMs: 1 }))
  await writer.appendBatch(batch)
  const reader = await WalReader.open(log.fs, log.config, 'orders', 0)
  const records = reader.read({ follow: true, from: 11n })
  const batches = reader.readBatches({ follow: true, from: 12n })
  log.fs.faults.failNext('write', 'ENOSPC', `${log.directory}/next.tmp`)
  await expect(writer.truncate(14n)).rejects.toThrow(WalIoError)
  expect(await take(records, 3)).toEqual([11n, 12n, 13n])
  expect((await batches.next()).value).toMatchObject({ baseOffset: 12n, recordCount: 2 })
  log.fs.faults.failNext('write', 'ENOSPC', `${log.directory}/next.tmp`)
  await expect(writer.close()).rejects.toThrow(WalIoError)
  const again = await log.open()
  await append(again, 'new')
  expect(await take(records, 2)).toEqual([14n, 15n])
  const { value: rest } = await batches.next()
  expect(rest).toMatchObject({ baseOffset: 14n, recordCount: 1 })
  expect((rest as RecordBatch).records().map(({ value }) => String(value))).toEqual(['z'])
  await Promise.all([records.return?.(), batches.return?.(), again.close()])
})

it('a reader that got some of the records read at once gets the rest, and then the error', async () => {
  await appendBatch(writer, ['x', 'y', 'z'])
  const iteration = await iterate({ from: 12n })
  await take(iteration, 1)
  await writer.truncate(13n)
  expect(await take(iteration, 2)).toEqual([13n, 14n])
  expect(await failure(iteration)).toMatchObject({ code: 'SQ_WAL_DIVERGED', offset: 13n })
})

describe('in another process, a reader of a log that is truncated', () => {
  it('gets the first offset of a commit that is cut inside', async () => {
    await appendBatch(writer, ['x', 'y', 'z'])
    const iteration = await iterateInAnotherProcess({ from: 11n, follow: true })
    await take(iteration, 4)
    await writer.truncate(14n)
    expect(await failure(iteration)).toMatchObject({ code: 'SQ_WAL_DIVERGED', offset: 12n })
  })

  it('gets a later offset if it reads in the middle of the truncation', async () => {
    const iteration = await iterateInAnotherProcess({ from: 11n })
    await take(iteration, 1)
    const hold = log.fs.faults.hold('unlink', log.path(4))
    const truncated = writer.truncate(2n)
    await hold.reached
    expect(await failure(iteration)).toMatchObject({ code: 'SQ_WAL_DIVERGED', offset: 8n })
    hold.release()
    await truncated
  })

  it('that had returned a failed commit gets an error, even if nothing else shows that it was rolled back', async () => {
    const iteration = await iterateInAnotherProcess({ from: 11n, follow: true })
    log.fs.faults.failNext('sync', 'EIO', log.path(8))
    await expect(append(writer, 'fails')).rejects.toThrow(AppendFailedError)
    expect(await take(iteration, 2)).toEqual([11n, 12n])
    await append(writer, 'in the next segment')
    log.fs.faults.failNext('write', 'ENOSPC', `${log.directory}/next.tmp`)
    await expect(writer.truncate(10n)).rejects.toThrow(WalIoError)
    expect(await log.segmentNames()).toEqual([0, 4, 8].map((base) => basename(log.path(base))))
    expect(await failure(iteration)).toMatchObject({ code: 'SQ_WAL_DIVERGED', offset: 12n })
  })

  it('that missed an earlier truncation gets the offset from which records are rolled back', async () => {
    const iteration = await iterateInAnotherProcess({ from: 8n, follow: true })
    await take(iteration, 4)
    await writer.truncate(10n)
    await append(writer, 'in the next segment')
    log.fs.faults.failNext('write', 'ENOSPC', `${log.directory}/next.tmp`)
    await expect(writer.truncate(9n)).rejects.toThrow(WalIoError)
    expect(await log.segmentNames()).toEqual([0, 4, 8].map((base) => basename(log.path(base))))
    expect(await failure(iteration)).toMatchObject({ code: 'SQ_WAL_DIVERGED', offset: 10n })
  })

  it('gets the first offset left if the segment of the cut was deleted', async () => {
    const iteration = await iterateInAnotherProcess({ follow: true })
    await take(iteration, 4)
    await writer.truncate(1n)
    await appendEach(writer, numbered(4))
    await writer.closeActiveSegment()
    await writer.deleteSegments({ belowOffset: 5n })
    await append(writer, 'new')
    expect(await failure(iteration)).toMatchObject({ code: 'SQ_WAL_OFFSET_OUT_OF_RANGE', firstOffset: 5n })
  })
})

it("in the writer's thread, a reader that finds a file shorter than what it read gets damage", async () => {
  const iteration = await iterate({ from: 8n, follow: true })
  await take(iteration, 4)
  // More than is kept in memory for tailing readers.
  for (let at = 0; at < 5; at++) await append(writer, Buffer.alloc(1_000_000, at))
  const content = await log.file(log.path(8))
  await log.overwrite(log.path(8), content.subarray(0, 200))
  expect(await failure(iteration)).toMatchObject({
    code: 'SQ_WAL_CORRUPT',
    from: 192,
    firstOffset: 9n,
    lastOffset: 16n,
  })
})

describe('while old segments are deleted, a reader', () => {
  it('continues in the open file, and then finds what is left or gets the first offset', async () => {
    const [ahead, behind] = [await iterate(), await iterate()]
    await take(ahead, 5)
    await take(behind, 1)
    await writer.deleteSegments({ belowOffset: 8n })
    expect(await take(ahead, 8)).toEqual([5n, 6n, 7n, 8n, 9n, 10n, 11n, undefined])
    expect(await take(behind, 3)).toEqual([1n, 2n, 3n])
    const error = await failure(behind)
    expect(error).toBeInstanceOf(OffsetOutOfRangeError)
    expect(error).toMatchObject({ offset: 4n, firstOffset: 8n })
    expect((await log.records())[0]?.offset).toBe(8n)
  })

  it('lists the log again if a listed segment is gone', async () => {
    const iteration = await iterate()
    const deletions: Promise<unknown>[] = []
    log.fs.operations.observe(({ operation, phase }) => {
      if (operation !== 'readdir' || phase !== 'end' || deletions.length > 0) return
      deletions.push(writer.deleteSegments({ belowOffset: 4n }))
    })
    const hold = log.fs.faults.hold('open', log.path(0))
    const first = iteration.next()
    await hold.reached
    await Promise.all(deletions)
    hold.release()
    expect((await first).value?.offset).toBe(4n)
  })

  it('that tails is not affected', async () => {
    const iteration = await iterate({ follow: true, from: 9n })
    expect(await take(iteration, 3)).toEqual([9n, 10n, 11n])
    const next = iteration.next()
    await writer.closeActiveSegment()
    await writer.deleteSegments({ belowOffset: 12n })
    await append(writer, 'new')
    expect((await next).value?.offset).toBe(12n)
    await iteration.return?.()
  })
})
