/** A log that begins above 0, and a log that is reset. */
import { setImmediate } from 'node:timers/promises'
import { join } from 'node:path'
import { Random } from '@sq/sim'
import { beforeEach, describe, expect, test } from 'vitest'
import { ClosedError, CorruptLogError, DivergedError, OffsetOutOfRangeError } from '../../errors.ts'
import { deleteLog, listSegments, verify, WalReader, WalWriter } from '../../index.ts'
import type { ClosedSegment, ReadOptions, ResetOptions } from '../../index.ts'
import type { FileSystem } from '@sq/sim'
import type { InMemoryFileSystem } from '@sq/sim/memory'
import type { FetchResult, WalConfig } from '../../index.ts'
import { actingBeforeOpening, inAnotherProcess } from '../../testing/another-process.ts'
import { CrashImages } from '../../testing/crash-images.ts'
import { failFrom } from '../../testing/failing.ts'
import { append, appendEach, LogFixture } from '../../testing/log-fixture.ts'
import { MIXED_BASES, MIXED_VALUES, mixedLog } from '../../testing/mixed-log.ts'
import { segmentName } from '../segment.ts'

const END = MIXED_VALUES.length
const LINK = { baseOffset: 0, end: 200, lastPosition: 100, lastCrc: 1 }

function outcome(pending: Promise<unknown>): Promise<unknown> {
  return pending.catch((error: unknown) => error)
}

function opened({ fs, config, clock }: LogFixture, firstOffset: bigint): Promise<WalWriter> {
  return WalWriter.open(fs, config, 'orders', 0, { clock, random: new Random(1), firstOffset })
}

/** Opens a log after an interruption. It must be the old one whole, or empty at the offset, and accept more. */
async function expectOldOrNew(left: LogFixture, offset: number): Promise<'old' | 'new'> {
  const writer = await left.open()
  const values = await left.values()
  const isNew = values.length === 0
  expect(values).toEqual(isNew ? [] : MIXED_VALUES)
  expect(writer.nextOffset).toBe(BigInt(isNew ? offset : END))
  expect(await append(writer, 'next')).toBe(BigInt(isNew ? offset : END))
  await writer.close()
  left.fs.crash()
  await left.open()
  expect(await left.values()).toEqual([...values, 'next'])
  expect((await left.fs.readdir(left.directory)).filter((name) => !name.endsWith('.wal'))).toEqual(['lock'])
  return isNew ? 'new' : 'old'
}

/** A log with one sealed segment, the description of that, and a file system for the log that continues it. */
async function archived(): Promise<{ elsewhere: LogFixture; segment: ClosedSegment; log: LogFixture }> {
  const elsewhere = new LogFixture()
  const writer = await elsewhere.open()
  await appendEach(writer, ['a', 'b'])
  const segment = (await writer.closeActiveSegment()) ?? expect.unreachable('it holds records')
  return { elsewhere, segment, log: new LogFixture() }
}

/** With the segment that is elsewhere in its place, the log is one chain. */
async function expectChain(log: LogFixture, elsewhere: LogFixture): Promise<void> {
  const file = await log.fs.open(log.path(0), 'create')
  await file.write([await elsewhere.file(elsewhere.path(0))], 0)
  await file.close()
  expect(await verify(log.fs, log.config, 'orders', 0)).toMatchObject({ problems: [], notes: [], records: 3 })
  expect(await log.values()).toEqual(['a', 'b', 'c'])
}

describe('a log without segments', () => {
  test('begins at the first offset that it is opened with, durably', async () => {
    const log = new LogFixture()
    const writer = await opened(log, 1000n)
    expect(writer.nextOffset).toBe(1000n)
    expect(writer.recovery).toMatchObject({ kind: 'clean', nextOffset: 1000n, segments: 1 })
    log.fs.crash()
    const again = await log.open()
    expect(again.nextOffset).toBe(1000n)
    expect(await append(again, 'a')).toBe(1000n)
    expect((await log.records()).map(({ offset }) => offset)).toEqual([1000n])
  })

  test('has no offset before the first one', async () => {
    const log = new LogFixture()
    const writer = await opened(log, 1000n)
    expect(await log.outcome()).toEqual({ values: [], error: null })
    expect(await log.outcome({ from: 1000n })).toEqual({ values: [], error: null })
    const { error } = await log.outcome({ from: 0n })
    expect(error).toMatchObject({ code: 'SQ_WAL_OFFSET_OUT_OF_RANGE', firstOffset: 1000n, nextOffset: 1000n })
    await expect(writer.truncate(999n)).rejects.toBeInstanceOf(OffsetOutOfRangeError)
  })

  test('has no segment before its first append if it begins at 0', async () => {
    const log = new LogFixture()
    await opened(log, 0n)
    expect(await log.segmentNames()).toEqual([])
  })

  test.each([
    [-1n, RangeError],
    [2n ** 53n, RangeError],
    [5, TypeError],
  ])('does not begin at %s', async (firstOffset, type) => {
    const log = new LogFixture()
    // @ts-expect-error One of them is no bigint.
    await expect(opened(log, firstOffset)).rejects.toBeInstanceOf(type)
  })
})

test('a log with segments ignores the first offset that it is opened with', async () => {
  const log = await mixedLog()
  const writer = await opened(log, 1000n)
  expect(writer.nextOffset).toBe(BigInt(END))
  expect(await log.values()).toEqual(MIXED_VALUES)
})

describe('a reset', () => {
  let log: LogFixture
  let writer: WalWriter

  beforeEach(async () => {
    log = await mixedLog()
    writer = await log.open()
  })

  test.each([0, 1, 4, END - 1, END, END + 1, 1000])('to offset %d leaves an empty log there', async (offset) => {
    const waiting = append(writer, 'before')
    await writer.resetTo(BigInt(offset))
    expect(await waiting).toBe(BigInt(END))
    expect(writer.nextOffset).toBe(BigInt(offset))
    expect(await log.segmentNames()).toEqual([segmentName(offset)])
    expect(await append(writer, 'after')).toBe(BigInt(offset))
    expect(await log.values()).toEqual(['after'])
    expect(log.fs.openHandles).toBe(2)
    log.fs.crash()
    expect((await log.open()).nextOffset).toBe(BigInt(offset + 1))
    expect(await log.values()).toEqual(['after'])
  })

  test('of an empty log, and a second reset, work', async () => {
    const empty = new LogFixture()
    const first = await empty.open()
    await first.resetTo(7n)
    await first.resetTo(3n)
    expect(await append(first, 'a')).toBe(3n)
    expect(await empty.segmentNames()).toEqual([segmentName(3)])
  })

  test('after a failed commit does not bring that commit back', async () => {
    log.fs.faults.failNext('sync', 'EIO')
    await outcome(append(writer, 'rejected'))
    await writer.resetTo(20n)
    await append(writer, 'a')
    await writer.close()
    await log.open()
    expect(await log.values()).toEqual(['a'])
  })

  test.each([
    [-1n, RangeError],
    [2n ** 53n, RangeError],
    [5, TypeError],
  ])('to %s is refused', async (offset, type) => {
    // @ts-expect-error One of them is no bigint.
    await expect(writer.resetTo(offset)).rejects.toBeInstanceOf(type)
    expect(await log.values()).toEqual(MIXED_VALUES)
  })

  test.each<[ResetOptions, ErrorConstructor, string]>([
    [{ previous: { ...LINK, baseOffset: 5 } }, RangeError, 'previous.baseOffset'],
    [{ previous: { ...LINK, baseOffset: -1 } }, RangeError, 'previous.baseOffset'],
    [{ previous: { ...LINK, end: 2 ** 32 } }, RangeError, 'previous.end'],
    [{ previous: { ...LINK, lastPosition: LINK.end } }, RangeError, 'previous.lastPosition'],
    [{ previous: { ...LINK, lastCrc: 0.5 } }, RangeError, 'previous.lastCrc'],
    // @ts-expect-error It is no number.
    [{ previous: { ...LINK, end: '96' } }, TypeError, 'previous.end must be a number'],
    // @ts-expect-error It is no link.
    [{ previous: 7 }, TypeError, 'previous must be the link of a segment'],
    // @ts-expect-error It is no link.
    [{ previous: null }, TypeError, 'previous must be the link of a segment, not null'],
    // @ts-expect-error There is no such option.
    [{ before: LINK }, TypeError, 'has no option "before"'],
  ])('with the options %o is refused', async (options, type, message) => {
    const error = await outcome(writer.resetTo(5n, options))
    expect(error).toBeInstanceOf(type)
    expect(error).toHaveProperty('message', expect.stringContaining(message))
    expect(await log.values()).toEqual(MIXED_VALUES)
  })

  test('may state a link whose fields are as large as they can be', async () => {
    const most = 2 ** 32 - 1
    const previous = { baseOffset: 4, end: most, lastPosition: most - 1, lastCrc: most }
    await writer.resetTo(5n, { previous })
    expect(await append(writer, 'after')).toBe(5n)
    expect(await log.values()).toEqual(['after'])
  })

  test('of a closed writer is refused', async () => {
    await writer.close()
    await expect(writer.resetTo(5n)).rejects.toBeInstanceOf(ClosedError)
  })
})

describe('a log that continues after segments that are elsewhere', () => {
  test('states the last of them in its first segment', async () => {
    const { elsewhere, segment, log } = await archived()
    const options = { clock: log.clock, random: new Random(1), firstOffset: segment.nextOffset, previous: segment.link }
    const writer = await WalWriter.open(log.fs, log.config, 'orders', 0, options)
    expect(await append(writer, 'c')).toBe(2n)
    await writer.close()
    await expectChain(log, elsewhere)
  })

  test('states it after a reset, also after one that failed first', async () => {
    const { elsewhere, segment, log } = await archived()
    const writer = await log.open()
    await append(writer, 'dropped')
    log.fs.faults.failNext('rename', 'EIO', /reset$/)
    const { nextOffset, link: previous } = segment
    expect(await outcome(writer.resetTo(nextOffset, { previous }))).toHaveProperty('code', 'SQ_WAL_IO')
    expect(await append(writer, 'c')).toBe(2n)
    await writer.close()
    await expectChain(log, elsewhere)
  })

  test.each([
    [
      'after a reset',
      async (log: LogFixture, { nextOffset, link: previous }: ClosedSegment) => {
        const writer = await log.open()
        await writer.resetTo(nextOffset, { previous })
        return writer
      },
    ],
    [
      'when it is opened',
      ({ fs, config, clock }: LogFixture, { nextOffset: firstOffset, link: previous }: ClosedSegment) =>
        WalWriter.open(fs, config, 'orders', 0, { clock, random: new Random(1), firstOffset, previous }),
    ],
  ])('states it %s, also if its first commit fails', async (_, begin) => {
    const { elsewhere, segment, log } = await archived()
    const writer = await begin(log, segment)
    log.fs.faults.failNext('sync', 'EIO')
    expect(await outcome(append(writer, 'rejected'))).toHaveProperty('code', 'SQ_WAL_APPEND_FAILED')
    expect(await append(writer, 'c')).toBe(2n)
    await writer.close()
    await expectChain(log, elsewhere)
  })

  test('gets the link from a listing, too', async () => {
    const { elsewhere, segment } = await archived()
    const [listed] = await listSegments(elsewhere.fs, elsewhere.config, 'orders', 0)
    expect(listed?.link).toEqual(segment.link)
  })
})

describe('a crash during a reset', () => {
  const cases = (['ext4', 'btrfs'] as const).flatMap((model) => [2, END, 1000].map((offset) => ({ model, offset })))
  test.each(cases)(
    'to $offset, at any moment, leaves the old log or the new one ($model)',
    async ({ model, offset }) => {
      const images = new CrashImages()
      for (const weakNames of [false, true]) {
        const log = await mixedLog({ failedSync: model, weakNames })
        const writer = await log.open()
        images.collect(log.fs)
        await writer.resetTo(BigInt(offset))
      }
      const found = new Set<string>()
      for (const left of images.logs()) found.add(await expectOldOrNew(left, offset))
      expect(found).toEqual(new Set(['old', 'new']))
    },
  )

  test('and then one during recovery give the same result', async () => {
    const log = await interrupted()
    const images = new CrashImages()
    images.collect(log.fs)
    expect((await log.open()).nextOffset).toBe(1000n)
    for (const left of images.logs()) expect(await expectOldOrNew(left, 1000)).toBe('new')
  })
})

/** A log whose reset was interrupted before its first segment was removed. */
async function interrupted(): Promise<LogFixture> {
  const log = await mixedLog()
  const writer = await log.open()
  const hold = log.fs.faults.hold('unlink', log.path(0))
  void outcome(writer.resetTo(1000n))
  await hold.reached
  log.fs.crash()
  return log
}
function intent(log: LogFixture): string {
  return join(log.directory, `${segmentName(1000)}.reset`)
}

describe('a segment of an unfinished reset', () => {
  test('is refused if it is damaged, and nothing is changed', async () => {
    const log = await interrupted()
    const bytes = await log.file(intent(log))
    bytes[80] = (bytes[80] ?? 0) ^ 1
    await log.overwrite(intent(log), bytes)
    const before = await log.files()
    expect(await outcome(log.open())).toBeInstanceOf(CorruptLogError)
    expect(await log.files()).toEqual(before)
  })

  test('is noted by a verification, and belongs to a log that is deleted', async () => {
    const log = await interrupted()
    const { notes } = await verify(log.fs, log.config, 'orders', 0)
    expect(notes).toContainEqual(expect.objectContaining({ kind: 'unfinished-reset', path: intent(log) }))
    await deleteLog(log.fs, log.config, 'orders', 0)
    expect(await outcome(log.fs.readdir(log.directory))).toMatchObject({ code: 'ENOENT' })
  })

  test('is refused if there is a second one, and nothing is changed', async () => {
    const log = await interrupted()
    await log.make(join(log.directory, `${segmentName(2000)}.reset`), await log.file(intent(log)))
    const before = await log.files()
    const error = await outcome(log.open())
    expect(error).toBeInstanceOf(CorruptLogError)
    const reason = 'one unfinished reset is expected, and there are several'
    // It is about a whole file, and about no records.
    expect(error).toMatchObject({ path: intent(log), from: 0, to: 0, firstOffset: 1000n, lastOffset: 999n, reason })
    expect(await log.files()).toEqual(before)
  })
})

describe('an operation of a reset that fails', () => {
  const cases = (['ext4', 'btrfs'] as const).flatMap((model) =>
    (['once', 'for good'] as const).flatMap((how) => [2, 1000].map((offset) => ({ model, how, offset }))),
  )
  test.each(cases)(
    '$how, to $offset: the old log continues, or the next call completes the reset ($model)',
    async (given) => {
      const { model, how, offset } = given
      const origin = await mixedLog({ failedSync: model })
      for (let nth = 1; ; nth++) {
        const log = new LogFixture({}, origin.fs.clone())
        const writer = await log.open()
        const rule = failFrom(log.fs, nth, how)
        await outcome(writer.resetTo(BigInt(offset)))
        rule.remove()
        if (rule.hits === 0) break
        const next = Number(writer.nextOffset)
        expect([offset, END]).toContain(next)
        expect(await log.values()).toEqual(next === END ? MIXED_VALUES : [])
        const left = new LogFixture({}, log.fs.clone())
        left.fs.crash()
        await expectOldOrNew(left, offset)
        expect(await append(writer, 'after')).toBe(BigInt(next))
        const values = next === END ? [...MIXED_VALUES, 'after'] : ['after']
        expect(await log.values()).toEqual(values)
        await writer.close()
        log.fs.crash()
        await log.open()
        expect(await log.values()).toEqual(values)
      }
    },
  )
})

/** What a reader of another process finds: the bounds, and the values of all records. */
async function look(fs: FileSystem, config: WalConfig) {
  const reader = await WalReader.open(inAnotherProcess(fs, new Random(1)), config, 'orders', 0)
  const bounds = await reader.bounds()
  const fetched = await reader.fetch({ from: bounds.logStartOffset, maxBytes: Infinity })
  const values: string[] = []
  for await (const { value } of reader.read()) values.push(String(value))
  await reader.close()
  expect(fetched.batches.flatMap((batch) => batch.records().map(({ value }) => String(value)))).toEqual(values)
  expect(fetched.logStartOffset).toBe(bounds.logStartOffset)
  return { ...bounds, values }
}

describe('a reader of a log that is reset', () => {
  let log: LogFixture
  let writer: WalWriter

  beforeEach(async () => {
    log = new LogFixture()
    writer = await log.open()
    await appendEach(writer, ['a', 'b', 'c', 'd'])
  })

  async function iterate(
    options: ReadOptions = {},
    fs: LogFixture['fs'] | ReturnType<typeof inAnotherProcess> = log.fs,
  ) {
    return (await WalReader.open(fs, log.config, 'orders', 0)).read(options)
  }

  test.each([
    ['reads', 2n, {}],
    ['reads', 50n, {}],
    ['tails', 2n, { follow: true }],
    ['tails', 4n, { follow: true }],
    ['tails', 50n, { follow: true }],
  ])('that %s it and has returned records diverges (to %d)', async (_, offset, options: ReadOptions) => {
    const iteration = await iterate(options)
    expect((await iteration.next()).value?.offset).toBe(0n)
    await writer.resetTo(offset)
    const error = await outcome(iteration.next())
    expect(error).toBeInstanceOf(DivergedError)
    expect(error).toMatchObject({ offset: 0n })
  })

  test('that has returned no records continues in the new log', async () => {
    const empty = new LogFixture()
    const first = await empty.open()
    const reader = await WalReader.open(empty.fs, empty.config, 'orders', 0)
    const next = reader.read({ follow: true }).next()
    for (let turn = 0; turn < 20; turn++) await setImmediate()
    await first.resetTo(50n)
    await append(first, 'new')
    expect((await next).value?.offset).toBe(50n)
  })

  test.each(['unlink', 'rename'] as const)('sees nothing of the old log while it is reset (%s)', async (operation) => {
    const hold = log.fs.faults.hold(operation, operation === 'unlink' ? log.path(0) : undefined)
    const pending = writer.resetTo(50n)
    await hold.reached
    expect(await log.outcome()).toEqual({ values: [], error: null })
    expect(await log.outcome({ from: 50n })).toEqual({ values: [], error: null })
    const { error } = await log.outcome({ from: 0n })
    expect(error).toMatchObject({ code: 'SQ_WAL_OFFSET_OUT_OF_RANGE', firstOffset: 50n, nextOffset: 50n })
    const tailing = (await iterate({ follow: true })).next()
    hold.release()
    await pending
    await append(writer, 'new')
    expect((await tailing).value?.offset).toBe(50n)
  })

  test.each([
    [2n, 'SQ_WAL_DIVERGED'],
    [4n, 'SQ_WAL_DIVERGED'],
    [50n, 'SQ_WAL_OFFSET_OUT_OF_RANGE'],
  ])('in another process gets a clear error (to %d)', async (offset, code) => {
    const iteration = await iterate({ follow: true }, inAnotherProcess(log.fs, new Random(1)))
    for (let at = 0; at < 4; at++) await iteration.next()
    const next = outcome(iteration.next())
    for (let turn = 0; turn < 20; turn++) await setImmediate()
    await writer.resetTo(offset)
    await appendEach(writer, ['x', 'y', 'z'])
    expect(await next).toHaveProperty('code', code)
  })

  test.each([
    { offset: 0, deleted: 0 },
    { offset: 4, deleted: 3 },
    { offset: 4, deleted: END },
    { offset: END, deleted: 3 },
    { offset: 1000, deleted: 0 },
    { offset: 1000, deleted: 3 },
  ])('in another process sees the old log or the new one at each step (to $offset)', async ({ offset, deleted }) => {
    const mixed = await mixedLog()
    const { fs, config } = mixed
    const resetting = await mixed.open()
    await resetting.deleteRecords(BigInt(deleted))
    const steps: InMemoryFileSystem[] = []
    const stop = fs.operations.observe(({ phase }) => phase === 'end' && steps.push(fs.clone()))
    await resetting.resetTo(BigInt(offset))
    stop()
    const old = { logStartOffset: BigInt(deleted), logEndOffset: BigInt(END), values: MIXED_VALUES.slice(deleted) }
    const reset = { logStartOffset: BigInt(offset), logEndOffset: BigInt(offset), values: [] }
    let isReset = false
    for (const step of steps) {
      const found = await look(step, config)
      isReset ||= found.logStartOffset === reset.logStartOffset && found.values.length === 0
      expect(found).toEqual(isReset ? reset : old)
    }
    expect(isReset).toBe(true)
  })

  test('in another process never sees the log at another offset', async () => {
    for (let seed = 0; seed < 40; seed++) {
      const mixed = await mixedLog()
      const resetting = await mixed.open()
      await resetting.deleteRecords(3n)
      const other = inAnotherProcess(mixed.fs, new Random(seed))
      const reader = await WalReader.open(other, mixed.config, 'orders', 0)
      for (let turn = 0; turn < seed % 8; turn++) await setImmediate()
      const pending = resetting.resetTo(1000n)
      const seen: bigint[] = []
      for (let at = 0; at < 12; at++) {
        const { logStartOffset } = await reader.bounds()
        seen.push(logStartOffset)
        const fetched = await outcome(reader.fetch({ from: logStartOffset }))
        if (!(fetched instanceof OffsetOutOfRangeError)) seen.push((fetched as FetchResult).logStartOffset)
        else expect(fetched.firstOffset).toBe(1000n)
      }
      await pending
      seen.push((await reader.bounds()).logStartOffset)
      expect(seen).toEqual(seen.toSorted((left, right) => (left < right ? -1 : 1)))
      expect(new Set([3n, ...seen])).toEqual(new Set([3n, 1000n]))
      await reader.close()
    }
  })

  const lastBase = MIXED_BASES.at(-1) ?? 0
  test.each([lastBase, 1000])('in another process sees a reset between two looks (to %d)', async (offset) => {
    for (const opens of [1, 2]) {
      const mixed = await mixedLog()
      const resetting = await mixed.open()
      await resetting.deleteRecords(3n)
      let count = 0
      const other = actingBeforeOpening(opens, mixed.fs, async () => {
        if (++count === opens) await resetting.resetTo(BigInt(offset))
      })
      const reader = await WalReader.open(other, mixed.config, 'orders', 0)
      expect(await reader.bounds()).toEqual({ logStartOffset: BigInt(offset), logEndOffset: BigInt(offset) })
    }
  })

  test('in another process finds the log that the next writer will continue after a crash', async () => {
    const left = await interrupted()
    expect(await look(left.fs, left.config)).toEqual({ logStartOffset: 1000n, logEndOffset: 1000n, values: [] })
    expect(await listSegments(left.fs, left.config, 'orders', 0)).toMatchObject([
      { path: intent(left), baseOffset: 1000n, records: 0 },
    ])
    await left.make(join(left.directory, `${segmentName(2000)}.reset`), await left.file(intent(left)))
    expect(await outcome(look(left.fs, left.config))).toBeInstanceOf(CorruptLogError)
  })
})
