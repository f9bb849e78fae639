import { beforeEach, describe, expect, it } from 'vitest'
import { CrashImages } from '../../testing/crash-images.ts'
import { failFrom } from '../../testing/failing.ts'
import { append, LogFixture } from '../../testing/log-fixture.ts'
import { segmentName } from '../segment.ts'
import { MIXED_BASES, MIXED_VALUES, mixedLog } from '../../testing/mixed-log.ts'

const OFFSETS = MIXED_VALUES.map((_, offset) => offset)
const MODELS = ['ext4', 'btrfs'] as const

let log: LogFixture

beforeEach(async () => {
  log = await mixedLog()
})

function twin(fixture: LogFixture): LogFixture {
  return new LogFixture({}, fixture.fs.clone())
}

/**
 * Opens a log after an interruption. It must hold a prefix of the old log of at least `atLeast` records, and accept
 * more.
 */
async function expectBeginning(fixture: LogFixture, atLeast: number): Promise<number> {
  const writer = await fixture.open()
  const values = await fixture.values()
  expect(values).toEqual(MIXED_VALUES.slice(0, values.length))
  expect(values.length).toBeGreaterThanOrEqual(atLeast)
  expect(await append(writer, 'next')).toBe(BigInt(values.length))
  await writer.close()
  fixture.fs.crash()
  await fixture.open()
  expect(await fixture.values()).toEqual([...values, 'next'])
  return values.length
}

/** Opens a log, and returns its values. */
async function valuesOf(fixture: LogFixture): Promise<string[]> {
  await fixture.open()
  return fixture.values()
}

describe('a crash while truncate is at work', () => {
  const cases = MODELS.flatMap((model) => OFFSETS.map((offset) => ({ model, offset })))
  it.each(cases)('at $offset, anywhere, leaves a prefix of the log ($model)', async ({ model, offset }) => {
    const images = new CrashImages()
    for (const weakNames of [false, true]) {
      const copy = await mixedLog({ failedSync: model, weakNames })
      const writer = await copy.open()
      images.collect(copy.fs)
      await writer.truncate(BigInt(offset))
    }
    const lengths = new Set<number>()
    for (const left of images.logs()) lengths.add(await expectBeginning(left, offset))
    const reached = [offset, ...MIXED_BASES.filter((base) => base > offset), MIXED_VALUES.length]
    expect(lengths).toEqual(new Set(reached))
  })

  it.each(cases)(
    'at $offset after a failed commit does not bring that commit back ($model)',
    async ({ model, offset }) => {
      const copy = await mixedLog({ failedSync: model })
      const writer = await copy.open()
      copy.fs.faults.add({ on: 'sync', fault: { error: 'EIO', lostPages: [] } })
      await expect(append(writer, 'rejected')).rejects.toThrow('EIO')
      const images = new CrashImages()
      const stop = images.collect(copy.fs)
      await writer.truncate(BigInt(offset))
      stop()
      const after = new CrashImages()
      after.add(copy.fs)
      for (const left of after.logs()) expect(await valuesOf(left)).toEqual(MIXED_VALUES.slice(0, offset))
      for (const left of images.logs()) {
        const values = await valuesOf(left)
        expect(values).toEqual([...MIXED_VALUES, 'rejected'].slice(0, values.length))
        expect(values.length).toBeGreaterThanOrEqual(offset)
      }
    },
  )
})

describe('a segment that was cut, in a truncation that was interrupted', () => {
  it.each([false, true])('is sealed, and is not appended to (linked in a checkpoint: %s)', async (isLinked) => {
    if (isLinked) await log.fs.link(log.path(2), '/data/checkpoint.wal')
    const writer = await log.open()
    const removal = log.fs.faults.hold('unlink', log.path(6))
    writer.truncate(5n).catch(() => {})
    await removal.reached
    const creation = log.fs.faults.hold('create')
    removal.release()
    await creation.reached
    log.fs.crash()
    const cut = await log.file(log.path(2))
    const next = await log.open()
    expect(await log.values()).toEqual(MIXED_VALUES.slice(0, 6))
    expect(await append(next, 'next')).toBe(6n)
    expect(await log.segmentNames()).toEqual([0, 2, 6].map(segmentName))
    expect(await log.file(log.path(2))).toEqual(cut)
  })
})

describe('an operation of truncate that fails', () => {
  const offsets = [1, 3, 6, 9]
  const cases = MODELS.flatMap((model) =>
    (['once', 'for good'] as const).flatMap((how) => offsets.map((offset) => ({ model, how, offset }))),
  )
  it.each(cases)('$how, at $offset, loses nothing before it ($model)', async ({ model, how, offset }) => {
    const origin = await mixedLog({ failedSync: model })
    const images = new CrashImages()
    let nth = 1
    for (; ; nth++) {
      const copy = twin(origin)
      const writer = await copy.open()
      const rule = failFrom(copy.fs, nth, how)
      const failed = await writer.truncate(BigInt(offset)).then(
        () => false,
        () => true,
      )
      rule.remove()
      if (rule.hits === 0) break
      const nextOffset = Number(writer.nextOffset)
      expect(failed ? [offset, MIXED_VALUES.length] : [offset]).toContain(nextOffset)
      const kept = MIXED_VALUES.slice(0, nextOffset)
      images.add(copy.fs)

      // What can come next, each on a separate log: every writer is in the same state.
      for (const next of ['append', 'truncate', 'close', 'delete', 'seal'] as const) {
        const then = twin(origin)
        const again = await then.open()
        const same = failFrom(then.fs, nth, how)
        await again.truncate(BigInt(offset)).catch(() => {})
        same.remove()
        if (next === 'append') expect(await append(again, 'next')).toBe(BigInt(nextOffset))
        if (next === 'truncate') await again.truncate(BigInt(offset))
        if (next === 'delete') await again.deleteSegments({ belowOffset: 0n })
        if (next === 'seal') await again.closeActiveSegment()
        if (next === 'close') await again.close()
        then.fs.crash()
        await then.open()
        const values = next === 'truncate' ? MIXED_VALUES.slice(0, offset) : kept
        expect(await then.values()).toEqual(next === 'append' ? [...values, 'next'] : values)
      }
    }
    expect(nth).toBeGreaterThan(10)
    for (const left of images.logs()) await expectBeginning(left, offset)
  })

  it('is completed by an append, whose records go into the new segment', async () => {
    const writer = await log.open()
    log.fs.faults.failNext('unlink', 'EIO', /\.wal$/)
    await expect(writer.truncate(4n)).rejects.toMatchObject({ code: 'SQ_WAL_IO' })
    expect(await append(writer, 'next')).toBe(4n)
    expect(await log.values()).toEqual([...MIXED_VALUES.slice(0, 4), 'next'])
    expect(await log.segmentNames()).toEqual(['00000000000000000000.wal', '00000000000000000002.wal'])
  })

  it('leaves a segment that deleteSegments knows, if it failed only after the rename', async () => {
    const fixture = new LogFixture()
    const writer = await fixture.open()
    await append(writer, 'a')
    await writer.appendBatch([{ value: Buffer.from('b') }, { value: Buffer.from('c') }])
    fixture.fs.faults.failNext('syncDirectory', 'EIO')
    await expect(writer.truncate(2n)).rejects.toMatchObject({ code: 'SQ_WAL_IO' })
    await append(writer, 'd')
    await writer.closeActiveSegment()
    await append(writer, 'e')
    const deleted = await writer.deleteSegments({ belowOffset: 3n })
    expect(deleted.map(({ baseOffset, nextOffset }) => [baseOffset, nextOffset])).toEqual([
      [0n, 1n],
      [1n, 2n],
      [2n, 3n],
    ])
  })

  it('rejects appends until it has succeeded', async () => {
    const writer = await log.open()
    const rule = log.fs.faults.failAlways('unlink', 'EIO', /\.wal$/)
    await expect(writer.truncate(7n)).rejects.toMatchObject({ code: 'SQ_WAL_IO' })
    expect(writer.nextOffset).toBe(7n)
    await expect(append(writer, 'rejected')).rejects.toMatchObject({ code: 'SQ_WAL_APPEND_FAILED', nextOffset: 7n })
    expect(await log.values()).toEqual(MIXED_VALUES.slice(0, 7))
    rule.remove()
    await writer.truncate(5n)
    expect(await append(writer, 'next')).toBe(5n)
    expect(await log.values()).toEqual([...MIXED_VALUES.slice(0, 5), 'next'])
  })
})

describe('a truncation that failed anywhere', () => {
  it.each([3, 7])('at %d, tried again and cut off anywhere, leaves a prefix of the log', async (offset) => {
    const origin = await mixedLog()
    const images = new CrashImages()
    for (let nth = 1; ; nth++) {
      const copy = twin(origin)
      const writer = await copy.open()
      const rule = failFrom(copy.fs, nth, 'once')
      await writer.truncate(BigInt(offset)).catch(() => {})
      if (rule.hits === 0) break
      const stop = images.collect(copy.fs)
      await writer.truncate(BigInt(offset))
      stop()
    }
    expect(images.size).toBeGreaterThan(10)
    for (const left of images.logs()) await expectBeginning(left, offset)
  })

  it('is synced again if the sync of a truncation failed, before the next segment is removed', async () => {
    const writer = await log.open()
    log.fs.faults.failNext('sync', 'EIO', log.path(2))
    await expect(writer.truncate(3n)).rejects.toMatchObject({ code: 'SQ_WAL_IO' })
    const hold = log.fs.faults.hold('create')
    writer.truncate(3n).catch(() => {})
    await hold.reached
    log.fs.crash()
    await log.open()
    expect(await log.values()).toEqual(MIXED_VALUES.slice(0, 6))
  })
})
