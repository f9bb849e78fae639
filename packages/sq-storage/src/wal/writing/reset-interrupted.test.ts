/** A reset that is interrupted by a crash or a failure leaves the old log or the new one. */
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { CorruptLogError } from '../../errors.ts'
import { deleteLog, verify } from '../../index.ts'
import { CrashImages } from '../../testing/crash-images.ts'
import { failFrom } from '../../testing/failing.ts'
import { append, LogFixture } from '../../testing/log-fixture.ts'
import { MIXED_VALUES, mixedLog } from '../../testing/mixed-log.ts'
import { interruptedReset, outcome, resetIntent } from '../../testing/resets.ts'
import { segmentName } from '../segment.ts'

const END = MIXED_VALUES.length

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
    const log = await interruptedReset()
    const images = new CrashImages()
    images.collect(log.fs)
    expect((await log.open()).nextOffset).toBe(1000n)
    for (const left of images.logs()) expect(await expectOldOrNew(left, 1000)).toBe('new')
  })
})

describe('a segment of an unfinished reset', () => {
  test('is refused if it is damaged, and nothing is changed', async () => {
    const log = await interruptedReset()
    const bytes = await log.file(resetIntent(log))
    bytes[80] = (bytes[80] ?? 0) ^ 1
    await log.overwrite(resetIntent(log), bytes)
    const before = await log.files()
    expect(await outcome(log.open())).toBeInstanceOf(CorruptLogError)
    expect(await log.files()).toEqual(before)
  })

  test('is noted by a verification, and belongs to a log that is deleted', async () => {
    const log = await interruptedReset()
    const { notes } = await verify(log.fs, log.config, 'orders', 0)
    expect(notes).toContainEqual(expect.objectContaining({ kind: 'unfinished-reset', path: resetIntent(log) }))
    await deleteLog(log.fs, log.config, 'orders', 0)
    expect(await outcome(log.fs.readdir(log.directory))).toMatchObject({ code: 'ENOENT' })
  })

  test('is refused if there is a second one, and nothing is changed', async () => {
    const log = await interruptedReset()
    await log.make(join(log.directory, `${segmentName(2000)}.reset`), await log.file(resetIntent(log)))
    const before = await log.files()
    const error = await outcome(log.open())
    expect(error).toBeInstanceOf(CorruptLogError)
    const reason = 'one unfinished reset is expected, and there are several'
    // It is about a whole file, and about no records.
    expect(error).toMatchObject({
      path: resetIntent(log),
      from: 0,
      to: 0,
      firstOffset: 1000n,
      lastOffset: 999n,
      reason,
    })
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
