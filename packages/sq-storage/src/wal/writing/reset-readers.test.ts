/** What readers of both processes see while a log is reset, and after that. */
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { Random } from '@sq/sim'
import type { FileSystem } from '@sq/sim'
import type { InMemoryFileSystem } from '@sq/sim/memory'
import { beforeEach, describe, expect, test } from 'vitest'
import { CorruptLogError, DivergedError, OffsetOutOfRangeError } from '../../errors.ts'
import { listSegments, WalReader, WalWriter } from '../../index.ts'
import type { FetchResult, ReadOptions, WalConfig } from '../../index.ts'
import { actingBeforeOpening, inAnotherProcess } from '../../testing/another-process.ts'
import { append, appendEach, LogFixture } from '../../testing/log-fixture.ts'
import { MIXED_BASES, MIXED_VALUES, mixedLog } from '../../testing/mixed-log.ts'
import { quiet } from '../../testing/quiet.ts'
import { interruptedReset, outcome, resetIntent } from '../../testing/resets.ts'
import { segmentName } from '../segment.ts'

const END = MIXED_VALUES.length

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
    await quiet()
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
    await quiet()
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
    const left = await interruptedReset()
    expect(await look(left.fs, left.config)).toEqual({ logStartOffset: 1000n, logEndOffset: 1000n, values: [] })
    expect(await listSegments(left.fs, left.config, 'orders', 0)).toMatchObject([
      { path: resetIntent(left), baseOffset: 1000n, records: 0 },
    ])
    await left.make(join(left.directory, `${segmentName(2000)}.reset`), await left.file(resetIntent(left)))
    expect(await outcome(look(left.fs, left.config))).toBeInstanceOf(CorruptLogError)
  })
})
