/** Records that are deleted up to an exact offset: gone durably, for every reader, and for good. */
import { join } from 'node:path'
import { Random } from '@sq/sim'
import type { FileSystem } from '@sq/sim'
import { beforeEach, describe, expect, test } from 'vitest'
import { ClosedError, OffsetOutOfRangeError, OpaqueBatchError } from '../../errors.ts'
import { deleteLog, listExpired, listPartitions, listSegments, verify, WalReader, WalWriter } from '../../index.ts'
import type { ReadBatchesOptions, RecordBatch } from '../../index.ts'
import { inAnotherProcess } from '../../testing/another-process.ts'
import { CrashImages } from '../../testing/crash-images.ts'
import { failFrom } from '../../testing/failing.ts'
import { append, appendBatch, appendEach, bytes, LogFixture, TIMESTAMP_MS } from '../../testing/log-fixture.ts'
import { MIXED_BASES, MIXED_VALUES, mixedLog } from '../../testing/mixed-log.ts'
import { segmentName } from '../segment.ts'
import { encodeLogStart } from '../segments/log-start.ts'

const END = MIXED_VALUES.length
const OFFSETS = Array.from({ length: END + 1 }, (_, offset) => offset)

let log: LogFixture
let writer: WalWriter

beforeEach(async () => {
  log = await mixedLog()
  writer = await log.open()
})

function outcome(pending: Promise<unknown>): Promise<unknown> {
  return pending.catch((error: unknown) => error)
}

function elsewhere(fixture: LogFixture = log): FileSystem {
  return inAnotherProcess(fixture.fs, new Random(1))
}

async function batchesOf(fs: FileSystem, options: ReadBatchesOptions = {}): Promise<RecordBatch[]> {
  const reader = await WalReader.open(fs, log.config, 'orders', 0)
  const batches: RecordBatch[] = []
  for await (const batch of reader.readBatches(options)) batches.push(batch)
  return batches
}

async function namesIn(fixture: LogFixture): Promise<string[]> {
  return (await fixture.fs.readdir(fixture.directory)).toSorted()
}

/** Checks that a log begins at an offset, for every way to look at it. */
async function expectStart(fixture: LogFixture, firstOffset: number, values = MIXED_VALUES.slice(firstOffset)) {
  const { config } = fixture
  const nextOffset = BigInt(firstOffset + values.length)
  const first = BigInt(firstOffset)
  for (const fs of [fixture.fs, elsewhere(fixture)]) {
    const reader = await WalReader.open(fs, config, 'orders', 0)
    const records: { offset: bigint; text: string }[] = []
    for await (const { offset, value } of reader.read()) records.push({ offset, text: String(value) })
    expect(records).toEqual(values.map((text, index) => ({ offset: first + BigInt(index), text })))
    const batches = []
    for await (const batch of reader.readBatches()) batches.push(...batch.records().map(({ offset }) => offset))
    expect(batches).toEqual(records.map(({ offset }) => offset))
    const fetched = await reader.fetch({ from: first, maxBytes: Infinity })
    expect(fetched.batches.flatMap((batch) => batch.records().map(({ offset }) => offset))).toEqual(batches)
    expect(fetched).toMatchObject({ logStartOffset: first, nextOffset })
    expect((await reader.offsetAt(0))?.offset).toBe(values.length > 0 ? first : undefined)
    const range = { code: 'SQ_WAL_OFFSET_OUT_OF_RANGE', firstOffset: first }
    if (firstOffset > 0) {
      const below = first - 1n
      expect(await outcome(reader.read({ from: below }).next())).toMatchObject({ ...range, offset: below })
      expect(await outcome(reader.fetch({ from: below }))).toMatchObject({ ...range, offset: below })
    }
    const beyond = nextOffset + 1n
    expect(await outcome(reader.read({ from: beyond }).next())).toMatchObject({ ...range, nextOffset, offset: beyond })
    await reader.close()
  }
  const report = await verify(fixture.fs, config, 'orders', 0)
  expect(report).toMatchObject({ firstOffset: first, nextOffset, records: values.length, problems: [] })
}

/** Checks the same for a reader in the process of the writer, and by a verification. */
async function expectRecords(fixture: LogFixture, firstOffset: number, values: readonly string[]) {
  expect(await fixture.outcome()).toEqual({ values: [...values], error: null })
  const bounds = { firstOffset: BigInt(firstOffset), nextOffset: BigInt(firstOffset + values.length) }
  const report = await verify(fixture.fs, fixture.config, 'orders', 0)
  expect(report).toMatchObject({ ...bounds, records: values.length, problems: [] })
}

describe('deleteRecords', () => {
  test.each(OFFSETS)(
    'before offset %d leaves exactly the records from there on, also after a crash',
    async (before) => {
      await writer.deleteRecords(BigInt(before))
      await expectStart(log, before)
      expect(await log.segmentNames()).toEqual(
        before === END
          ? [segmentName(END)]
          : MIXED_BASES.slice(MIXED_BASES.findLastIndex((base) => base <= before)).map(segmentName),
      )
      log.fs.crash()
      await expectStart(log, before)
      const again = await log.open()
      await expectStart(log, before)
      expect(await append(again, 'next')).toBe(BigInt(END))
      await expectStart(log, before, [...MIXED_VALUES.slice(before), 'next'])
      await again.close()
      await expectStart(log, before, [...MIXED_VALUES.slice(before), 'next'])
    },
  )

  test('again and again, forwards only, is exact each time', async () => {
    const { openHandles } = log.fs
    for (const before of [1, 3, 3, 2, 7, 0, 10]) await writer.deleteRecords(BigInt(before))
    expect(log.fs.openHandles).toBe(openHandles)
    await expectStart(log, 10)
    await writer.deleteSegments({ belowOffset: 4n })
    await writer.closeActiveSegment()
    await append(writer, 'next')
    await writer.deleteSegments({ belowOffset: BigInt(END) })
    await expectStart(log, END, ['next'])
    await writer.deleteRecords(BigInt(END + 1))
    await expectStart(log, END + 1, [])
    await append(writer, 'last')
    await expectStart(log, END + 1, ['last'])
  })

  test('comes after everything that was appended before', async () => {
    const appended = append(writer, 'l')
    await writer.deleteRecords(BigInt(END + 1))
    expect(await appended).toBe(BigInt(END))
    await expectStart(log, END + 1, [])
  })

  test('of an empty log does nothing', async () => {
    const empty = new LogFixture()
    const first = await empty.open()
    await first.deleteRecords(0n)
    expect(await namesIn(empty)).toEqual(['lock'])
  })

  test.each([
    [-1n, RangeError],
    [2n ** 53n, RangeError],
    [5, TypeError],
    [BigInt(END + 1), OffsetOutOfRangeError],
  ])('before %s is refused', async (before, type) => {
    const files = await log.files()
    // @ts-expect-error One of them is no bigint.
    expect(await outcome(writer.deleteRecords(before))).toBeInstanceOf(type)
    expect(await log.files()).toEqual(files)
  })

  test('beyond the log end offset says where the log begins and ends', async () => {
    await writer.deleteRecords(3n)
    const range = { offset: 12n, firstOffset: 3n, nextOffset: 11n }
    expect(await outcome(writer.deleteRecords(12n))).toMatchObject(range)
  })

  test('of a closed writer is refused, and closing waits for it', async () => {
    const deleting = writer.deleteRecords(7n)
    await writer.close()
    await deleting
    await expectStart(log, 7)
    await expect(writer.deleteRecords(8n)).rejects.toBeInstanceOf(ClosedError)
  })

  test('after a failed commit does not bring that commit back', async () => {
    log.fs.faults.failNext('sync', 'EIO')
    await outcome(append(writer, 'rejected'))
    await writer.deleteRecords(BigInt(END))
    await expectStart(log, END, [])
    await writer.close()
    await log.open()
    await expectStart(log, END, [])
  })

  test('is known to retention, which deletes what has only deleted records', async () => {
    const rule = log.fs.faults.failAlways('unlink', 'EIO', (path) => path.endsWith('.wal'))
    await outcome(writer.deleteRecords(7n))
    rule.remove()
    await expectStart(log, 7)
    expect(await log.segmentNames()).toHaveLength(4)
    expect((await listSegments(log.fs, log.config, 'orders', 0)).map(({ baseOffset }) => baseOffset)).toEqual([6n, 8n])
    const question = { policy: { belowOffset: 8n }, nowMs: 0 }
    expect(await listExpired(log.fs, log.config, 'orders', 0, question)).toMatchObject([{ baseOffset: 6n }])
    expect(await writer.deleteSegments({ maxTotalBytes: 1e9 })).toMatchObject([{ baseOffset: 0n }, { baseOffset: 2n }])
    await expectStart(log, 7)
  })
})

describe('a batch that is deleted in part', () => {
  test('is cut, also if batches need not be exact', async () => {
    await appendBatch(writer, ['l', 'm', 'n'])
    await writer.deleteRecords(BigInt(END + 1))
    for (const fs of [log.fs, elsewhere()]) {
      for (const options of [{}, { exact: true }, { from: BigInt(END + 1) }, { fromTimestampMs: TIMESTAMP_MS }]) {
        const [batch, ...others] = await batchesOf(fs, options)
        expect(batch).toMatchObject({ baseOffset: BigInt(END + 1), recordCount: 2 })
        expect(others).toEqual([])
      }
    }
  })

  test('keeps its metadata, and continues a replica that begins there', async () => {
    const records = ['l', 'm', 'n'].map((value) => ({ value: bytes(value) }))
    await writer.appendBatch(records, { metadata: bytes('producer') })
    await writer.deleteRecords(BigInt(END + 2))
    const [batch] = await batchesOf(log.fs)
    expect(String(batch?.metadata)).toBe('producer')
    const firstOffset = BigInt(END + 2)
    const replica = await WalWriter.open(log.fs, { dataDir: '/replica' }, 'orders', 0, { firstOffset })
    expect(await replica.appendEncoded(batch === undefined ? [] : [batch])).toBe(BigInt(END + 3))
  })

  test('is whole if it is opaque, until its last offset is deleted', async () => {
    const opaque = { payload: bytes('packed'), recordCount: 3, minTimestampMs: 5, maxTimestampMs: 50 }
    await writer.appendOpaque(opaque)
    await append(writer, 'after')
    await writer.deleteRecords(BigInt(END + 2))
    for (const fs of [log.fs, elsewhere()]) {
      const batches = await batchesOf(fs)
      expect(batches.map(({ baseOffset, recordCount }) => [baseOffset, recordCount])).toEqual([
        [BigInt(END), 3],
        [BigInt(END + 3), 1],
      ])
    }
    expect(await outcome(writer.truncate(BigInt(END + 2)))).toBeInstanceOf(OpaqueBatchError)
    expect((await verify(log.fs, log.config, 'orders', 0)).problems).toEqual([])
    await writer.deleteRecords(BigInt(END + 3))
    await expectStart(log, END + 3, ['after'])
  })
})

describe('a reader of a log whose records are deleted', () => {
  test('gets the error of a deleted segment when it comes to one', async () => {
    for (const fs of [log.fs, elsewhere()]) {
      const [here, there] = [new LogFixture({}, log.fs), await WalReader.open(fs, log.config, 'orders', 0)]
      const iteration = there.read({ follow: true })
      expect((await iteration.next()).value?.offset).toBe((await here.records())[0]?.offset)
    }
    const iteration = (await WalReader.open(log.fs, log.config, 'orders', 0)).read()
    for (let offset = 0n; offset < 2n; offset++) expect((await iteration.next()).value?.offset).toBe(offset)
    await writer.deleteRecords(9n)
    const error = await outcome(iteration.next())
    expect(error).toMatchObject({ code: 'SQ_WAL_OFFSET_OUT_OF_RANGE', offset: 2n, firstOffset: 9n })
  })

  test.each(['here', 'in another process'])('that waits at the end goes on there (%s)', async (where) => {
    const fs = where === 'here' ? log.fs : elsewhere()
    const iteration = (await WalReader.open(fs, log.config, 'orders', 0)).read({ follow: true, from: 9n })
    for (const offset of [9n, 10n]) expect((await iteration.next()).value?.offset).toBe(offset)
    await writer.deleteRecords(BigInt(END))
    const next = iteration.next()
    await append(writer, 'l')
    expect((await next).value?.offset).toBe(BigInt(END))
    await iteration.return?.()
  })

  test('gets nothing of them from memory', async () => {
    const reader = await WalReader.open(log.fs, log.config, 'orders', 0)
    const tail = reader.read({ follow: true, from: BigInt(END) })
    const pending = tail.next()
    await appendEach(writer, ['l', 'm', 'n'])
    await pending
    await writer.deleteRecords(BigInt(END + 2))
    expect(await outcome(reader.fetch({ from: BigInt(END + 1) }))).toMatchObject({ firstOffset: BigInt(END + 2) })
    await reader.close()
  })

  test('finds a time only behind them', async () => {
    for (const [at, timestampMs] of [50, 20, 60, 30].entries()) {
      await writer.append(null, bytes(`${at}`), [], TIMESTAMP_MS + timestampMs)
    }
    await writer.deleteRecords(BigInt(END + 1))
    for (const fs of [log.fs, elsewhere()]) {
      const reader = await WalReader.open(fs, log.config, 'orders', 0)
      expect(await reader.offsetAt(TIMESTAMP_MS)).toMatchObject({ offset: BigInt(END + 1) })
      expect(await reader.offsetAt(TIMESTAMP_MS + 40)).toMatchObject({ offset: BigInt(END + 2) })
      expect(await reader.offsetAt(TIMESTAMP_MS + 61)).toBe(null)
    }
  })
})

/** Opens a log whose deletion was interrupted. Nothing from the offset on is gone. Returns where it begins. */
async function expectTrimmed(left: LogFixture, before: number): Promise<number> {
  const reopened = await left.open()
  const values = await left.values()
  const first = END - values.length
  expect(first).toBeLessThanOrEqual(before)
  await expectRecords(left, first, values)
  expect(await append(reopened, 'next')).toBe(BigInt(END))
  await reopened.close()
  left.fs.crash()
  const again = await left.open()
  await expectRecords(left, first, [...values, 'next'])
  expect((await namesIn(left)).filter((name) => !name.endsWith('.wal') && name !== 'log-start')).toEqual(['lock'])
  await again.deleteRecords(BigInt(END))
  await expectRecords(left, END, ['next'])
  return first
}

describe('a crash during deleteRecords', () => {
  const cases = (['ext4', 'btrfs'] as const).flatMap((model) => [1, 4, 7, END].map((before) => ({ model, before })))
  test.each(cases)('before $before, at any moment, leaves the end of the log ($model)', async ({ model, before }) => {
    const images = new CrashImages()
    for (const weakNames of [false, true]) {
      for (const earlier of [0, 1]) {
        const crashing = await mixedLog({ failedSync: model, weakNames })
        const deleting = await crashing.open()
        await deleting.deleteRecords(BigInt(earlier))
        const stop = images.collect(crashing.fs)
        await deleting.deleteRecords(BigInt(before))
        stop()
        crashing.fs.crash()
        await expectStart(crashing, before)
      }
    }
    const found = new Set<number>()
    for (const left of images.logs()) found.add(await expectTrimmed(left, before))
    expect(found).toContain(0)
    expect(found).toContain(before)
  })
})

describe('an operation of deleteRecords that fails', () => {
  const cases = (['once', 'for good'] as const).flatMap((how) => [4, END].map((before) => ({ how, before })))
  test.each(cases)('$how, before $before, loses nothing from there on', async ({ how, before }) => {
    const origin = await mixedLog()
    for (let nth = 1; ; nth++) {
      const failing = new LogFixture({}, origin.fs.clone())
      const deleting = await failing.open()
      const rule = failFrom(failing.fs, nth, how)
      await outcome(deleting.deleteRecords(BigInt(before)))
      rule.remove()
      if (rule.hits === 0) break
      const left = new LogFixture({}, failing.fs.clone())
      left.fs.crash()
      await expectTrimmed(left, before)
      expect(await append(deleting, 'next')).toBe(BigInt(END))
      await deleting.deleteRecords(BigInt(before))
      await expectRecords(failing, before, [...MIXED_VALUES.slice(before), 'next'])
      failing.fs.crash()
      await failing.open()
      await expectRecords(failing, before, [...MIXED_VALUES.slice(before), 'next'])
    }
  })

  test.each(['rename', 'syncDirectory'] as const)(
    'after the log may begin there, never lets the log end before that (%s)',
    async (operation) => {
      log.fs.faults.failNext(operation, 'EIO')
      await outcome(writer.deleteRecords(4n))
      const error = await outcome(writer.truncate(3n))
      expect(error).toMatchObject({ code: 'SQ_WAL_OFFSET_OUT_OF_RANGE', firstOffset: 4n })
      await writer.truncate(4n)
      await append(writer, 'new')
      await writer.close()
      log.fs.crash()
      const again = await log.open()
      expect((await log.values()).at(-1)).toBe('new')
      expect(again.nextOffset).toBe(5n)
    },
  )
})

describe('a log start', () => {
  test('is the earliest offset that a log can be truncated to', async () => {
    await writer.deleteRecords(4n)
    const error = await outcome(writer.truncate(3n))
    expect(error).toMatchObject({ code: 'SQ_WAL_OFFSET_OUT_OF_RANGE', offset: 3n, firstOffset: 4n, nextOffset: 11n })
    await writer.truncate(4n)
    await expectStart(log, 4, [])
    expect(await append(writer, 'new')).toBe(4n)
    await expectStart(log, 4, ['new'])
    await writer.close()
    await log.open()
    await expectStart(log, 4, ['new'])
  })

  test('is gone with the log', async () => {
    await writer.deleteRecords(4n)
    await writer.close()
    await deleteLog(log.fs, log.config, 'orders', 0)
    expect(await listPartitions(log.fs, log.config)).toEqual([])
    await append(await log.open(), 'new')
    await expectStart(log, 0, ['new'])
  })

  test('is part of a checkpoint', async () => {
    await writer.deleteRecords(4n)
    await writer.checkpoint('/backup')
    await writer.deleteRecords(9n)
    const copy = new LogFixture({ dataDir: '/backup' }, log.fs)
    Object.assign(copy, { directory: '/backup/orders/0' })
    await expectStart(copy, 4)
    await copy.open()
    await expectStart(copy, 4)
    await expectStart(log, 9)
  })

  test('behind what is left of a log makes it empty there, and no offset is used again', async () => {
    await writer.deleteRecords(9n)
    await writer.close()
    for (const lost of [[8], [8, 6, 2], [0, 2, 6, 8]]) {
      const rest = await mixedLog()
      await rest.make(join(rest.directory, 'log-start'), await log.file(join(log.directory, 'log-start')))
      for (const base of lost) await rest.fs.unlink(rest.path(base))
      await rest.fs.syncDirectory(rest.directory)
      await expectStart(rest, 9, [])
      const images = new CrashImages()
      const stop = images.collect(rest.fs)
      const reopened = await rest.open()
      stop()
      expect(reopened.recovery).toMatchObject({ nextOffset: 9n, segments: 1 })
      expect(await rest.segmentNames()).toEqual([segmentName(9)])
      await expectStart(rest, 9, [])
      expect(await append(reopened, 'new')).toBe(9n)
      await expectStart(rest, 9, ['new'])
      for (const left of images.logs()) {
        const again = await left.open()
        expect(again.nextOffset).toBe(9n)
        await append(again, 'new')
        await again.close()
        await expectRecords(left, 9, ['new'])
      }
    }
  })

  test('behind the end of the active segment makes the log empty there', async () => {
    await writer.close()
    await log.make(
      join(log.directory, 'log-start'),
      encodeLogStart(20, { topic: 'orders', partition: 0, directory: '' }),
    )
    await expectStart(log, 20, [])
    const again = await log.open()
    expect(again.nextOffset).toBe(20n)
    expect(await append(again, 'new')).toBe(20n)
    expect(await log.segmentNames()).toEqual([segmentName(20)])
    expect(log.fs.openHandles).toBe(2)
    await expectStart(log, 20, ['new'])
  })

  test('makes a directory a log, also without a segment', async () => {
    await writer.deleteRecords(9n)
    await writer.close()
    for (const base of [8]) await log.fs.unlink(log.path(base))
    await log.fs.unlink(join(log.directory, 'lock'))
    const again = await WalWriter.open(log.fs, log.config, 'orders', 0, { create: false, firstOffset: 3n })
    expect(again.nextOffset).toBe(9n)
    await again.close()
    const later = await WalWriter.open(log.fs, log.config, 'orders', 0, { firstOffset: 20n })
    expect(later.nextOffset).toBe(9n)
  })
})

describe('a reset of a log whose records are deleted', () => {
  test.each([0, 2, 4, 9, END, 1000])('to %d leaves an empty log there, without a log start', async (offset) => {
    await writer.deleteRecords(4n)
    await writer.resetTo(BigInt(offset))
    expect(await namesIn(log)).toEqual([segmentName(offset), 'lock'])
    await expectStart(log, offset, [])
    await append(writer, 'new')
    await expectStart(log, offset, ['new'])
    if (offset > 0) await writer.truncate(BigInt(offset))
  })

  test.each([2, 1000])(
    'to %d that is interrupted leaves the old log or the new one, and no deleted record',
    async (offset) => {
      const images = new CrashImages()
      for (const weakNames of [false, true]) {
        const crashing = await mixedLog({ weakNames })
        const resetting = await crashing.open()
        await resetting.deleteRecords(4n)
        images.collect(crashing.fs)
        await resetting.resetTo(BigInt(offset))
      }
      const found = new Set<number>()
      for (const left of images.logs()) {
        for (const fs of [left.fs, elsewhere(left)]) {
          const reader = await WalReader.open(fs, left.config, 'orders', 0)
          for await (const { offset: read } of reader.read()) expect(Number(read)).toBeGreaterThanOrEqual(4)
        }
        const reopened = await left.open()
        const nextOffset = Number(reopened.nextOffset)
        found.add(nextOffset)
        await append(reopened, 'new')
        await reopened.close()
        if (nextOffset === END) await expectStart(left, 4, [...MIXED_VALUES.slice(4), 'new'])
        else await expectStart(left, offset, ['new'])
      }
      expect(found).toEqual(new Set([END, offset]))
    },
  )

  test('that fails at any operation is completed by the next call', async () => {
    for (let nth = 1; ; nth++) {
      const failing = await mixedLog()
      const resetting = await failing.open()
      await resetting.deleteRecords(4n)
      const rule = failFrom(failing.fs, nth, 'once')
      await outcome(resetting.resetTo(2n))
      rule.remove()
      if (rule.hits === 0) break
      const isReset = resetting.nextOffset === 2n
      await append(resetting, 'new')
      await resetting.close()
      failing.fs.crash()
      await failing.open()
      await expectRecords(failing, isReset ? 2 : 4, isReset ? ['new'] : [...MIXED_VALUES.slice(4), 'new'])
    }
  })
})
