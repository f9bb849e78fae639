import { Random } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import type { CrashImage } from '@sq/sim/memory'
import { beforeEach, describe, expect, it, test } from 'vitest'
import { CorruptLogError, listSegments, OffsetOutOfRangeError, UnsupportedFormatError, WalReader } from '../index.ts'
import { failFrom } from '../testing/failing.ts'
import { flipped } from '../testing/hand-bytes.ts'
import { append, appendBatch, appendEach, LogFixture } from '../testing/log-fixture.ts'
import { MIXED_BASES, MIXED_VALUES, mixedLog } from '../testing/mixed-log.ts'
import { SegmentBytes } from '../testing/segment-bytes.ts'
import { FrameType } from './frame.ts'
import { PartitionLock } from './partition-lock.ts'
import { locatePartition } from './partition.ts'
import { SegmentDirectory } from './segment-directory.ts'
import { truncateLog } from './truncation.ts'

const OFFSETS = MIXED_VALUES.map((_, offset) => offset)
const MODELS = ['ext4', 'btrfs'] as const

let log: LogFixture

beforeEach(async () => {
  log = await mixedLog()
})

function twin(fixture: LogFixture): LogFixture {
  return new LogFixture({}, fixture.fs.clone())
}

function booted(image: CrashImage): LogFixture {
  return new LogFixture({}, new InMemoryFileSystem({ image }))
}

/** Opens a log after whatever happened to it: it must hold a beginning of the old one, `atLeast` so many, and go on. */
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

/** What a log holds once it was opened. */
async function valuesOf(fixture: LogFixture): Promise<string[]> {
  await fixture.open()
  return fixture.values()
}

describe('truncate', () => {
  it.each([...OFFSETS, MIXED_VALUES.length])('at %d keeps all before it, and goes on there', async (offset) => {
    const writer = await log.open()
    await writer.truncate(BigInt(offset))
    expect(writer.nextOffset).toBe(BigInt(offset))
    expect(await log.values()).toEqual(MIXED_VALUES.slice(0, offset))
    expect(await append(writer, 'next')).toBe(BigInt(offset))
    await writer.close()
    log.fs.crash()
    const { recovery } = await log.open()
    expect(recovery).toMatchObject({ kind: 'clean', nextOffset: BigInt(offset + 1) })
    expect(await log.values()).toEqual([...MIXED_VALUES.slice(0, offset), 'next'])
  })

  it.each(OFFSETS)('at %d after a failed commit does not bring that back', async (offset) => {
    const writer = await log.open()
    log.fs.faults.add({ on: 'sync', fault: { error: 'EIO', lostPages: [] } })
    await expect(append(writer, 'rejected')).rejects.toThrow('EIO')
    await writer.truncate(BigInt(offset))
    log.fs.crash()
    const reopened = await log.open()
    expect(await log.values()).toEqual(MIXED_VALUES.slice(0, offset))
    expect(await append(reopened, 'next')).toBe(BigInt(offset))
  })

  it('at every offset after every other leaves nothing of what was there', async () => {
    for (const first of OFFSETS) {
      const once = twin(log)
      const writer = await once.open()
      await writer.truncate(BigInt(first))
      await append(writer, 'between')
      await writer.close()
      for (let second = 0; second <= first + 1; second++) {
        const twice = twin(once)
        const again = await twice.open()
        await again.truncate(BigInt(second))
        expect(await append(again, 'next')).toBe(BigInt(second))
        twice.fs.crash()
        await twice.open()
        const values = [...MIXED_VALUES.slice(0, first), 'between'].slice(0, second)
        expect(await twice.values()).toEqual([...values, 'next'])
      }
    }
  })

  it('at the next offset does nothing', async () => {
    const writer = await log.open()
    const { operations } = log.fs
    operations.resetCounts()
    await writer.truncate(BigInt(MIXED_VALUES.length))
    expect(operations.count()).toBe(0)
  })

  it('at the base offset of a segment takes its place, and keeps what it says of the one before', async () => {
    const writer = await log.open()
    await writer.truncate(6n)
    expect(await listSegments(log.fs, log.config, 'orders', 0)).toMatchObject([
      { baseOffset: 0n, nextOffset: 2n, state: 'sealed' },
      { baseOffset: 2n, nextOffset: 6n, state: 'healed' },
      { baseOffset: 6n, nextOffset: 6n, state: 'active' },
    ])
    await writer.truncate(0n)
    expect(await log.segmentNames()).toEqual(['00000000000000000000.wal'])
  })

  it('inside a batch writes its first records again, before they have their name', async () => {
    const records = await log.records()
    const writer = await log.open()
    const trace = log.fs.operations.trace()
    await writer.truncate(4n)
    const path = log.path(2)
    const changes = trace.lines.filter((line) => /^(write|sync|truncate|rename|unlink|syncD)/.test(line))
    const unfinished = `${log.directory}/next.tmp`
    const sync = `syncDirectory '${log.directory}'`
    expect(changes.filter((line) => !line.includes('ENOENT'))).toEqual([
      `unlink '${log.path(8)}'`,
      sync,
      `truncate '${path}' ${120 + 40 + 3 * 25 + 5 + 72}`,
      `sync '${path}'`,
      `unlink '${log.path(6)}'`,
      sync,
      `write '${unfinished}' 0+120`,
      `sync '${unfinished}'`,
      `write '${unfinished}' 120+${40 + 2 * 25 + 6}`,
      `sync '${unfinished}'`,
      `rename '${unfinished}' -> '${path}'`,
      sync,
    ])
    expect(await log.records()).toEqual(records.slice(0, 4))
  })

  it('keeps keys, headers and times of the records of a batch, and tells the smallest and largest of them', async () => {
    log = new LogFixture()
    const writer = await log.open()
    const headers = [{ name: 'ä', value: Buffer.from([0]) }]
    const batch = [7, 3, 9].map((timestampMs) => ({ key: Buffer.from('k'), value: Buffer.alloc(0), headers, timestampMs }))
    await writer.appendBatch(batch)
    const records = await log.records()
    await writer.truncate(2n)
    expect(await log.records()).toEqual(records.slice(0, 2))
    expect(await writer.closeActiveSegment()).toMatchObject({
      baseOffset: 0n,
      lastOffset: 1n,
      records: 2,
      minTimestampMs: 3,
      maxTimestampMs: 7,
    })
  })

  it('waits for its turn, and appends behind it for theirs', async () => {
    const writer = await log.open()
    const before = append(writer, 'before')
    const truncating = writer.truncate(9n)
    const after = append(writer, 'after')
    await truncating
    expect(await Promise.all([before, after])).toEqual([11n, 9n])
    expect(await log.values()).toEqual([...MIXED_VALUES.slice(0, 9), 'after'])
  })

  it('reports no segment closed, neither the one it cuts nor those it drops', async () => {
    const writer = await log.open()
    await writer.truncate(9n)
    await writer.truncate(3n)
    await writer.close()
    expect(log.closed).toEqual([])
  })

  it('leaves no file open', async () => {
    const writer = await log.open()
    for (const offset of [10n, 7n, 6n, 4n]) await writer.truncate(offset)
    await writer.close()
    expect(log.fs.openHandles).toBe(0)
  })

  it('goes on behind retention, and not before the first offset left', async () => {
    const writer = await log.open()
    await writer.deleteSegments({ belowOffset: 6n })
    await expect(writer.truncate(5n)).rejects.toMatchObject({
      code: 'SQ_WAL_OFFSET_OUT_OF_RANGE',
      offset: 5n,
      firstOffset: 6n,
      nextOffset: 11n,
    })
    await writer.truncate(6n)
    expect(await append(writer, 'next')).toBe(6n)
    await writer.close()
    expect((await log.open()).nextOffset).toBe(7n)
  })

  it('refuses an offset that the log does not have, and changes nothing', async () => {
    const writer = await log.open()
    const files = await log.files()
    await expect(writer.truncate(12n)).rejects.toThrow(OffsetOutOfRangeError)
    await expect(writer.truncate(-1n)).rejects.toThrow(/offset must be an offset from 0 to 2\^53 - 1: -1/)
    await expect(writer.truncate(1 as unknown as bigint)).rejects.toThrow(TypeError)
    expect(await log.files()).toEqual(files)
    await writer.close()
    await expect(writer.truncate(1n)).rejects.toMatchObject({ code: 'SQ_WAL_CLOSED' })
    const empty = new LogFixture()
    const first = await empty.open()
    await first.truncate(0n)
    await expect(first.truncate(1n)).rejects.toMatchObject({ firstOffset: 0n, nextOffset: 0n })
  })

  it('refuses where something before the offset is damaged, and changes nothing', async () => {
    const writer = await log.open()
    const content = await log.file(log.path(2))
    content.writeUInt8(content.readUInt8(165) ^ 1, 165)
    await log.overwrite(log.path(2), content)
    const files = await log.files()
    await expect(writer.truncate(4n)).rejects.toThrow(CorruptLogError)
    expect(await log.files()).toEqual(files)
    expect(await append(writer, 'next')).toBe(11n)
  })

  it('touches nothing once the lock is lost', async () => {
    const writer = await log.open()
    await log.fs.unlink(`${log.directory}/lock`)
    const files = await log.files()
    for (const offset of [9n, 7n, 4n]) {
      await expect(writer.truncate(offset)).rejects.toMatchObject({ code: 'SQ_WAL_LOCK_LOST' })
    }
    expect(await log.files()).toEqual(files)
  })
})

/** What power cuts may leave of a file system, at any moment of some time: each image once. */
class Images {
  readonly all: CrashImage[] = []
  readonly #digests = new Set<string>()

  /** Adds those of every moment from now until the function returned is called. */
  collect(fs: InMemoryFileSystem): () => void {
    return fs.operations.observe(() => this.add(fs))
  }

  /** Adds those of this moment. */
  add(fs: InMemoryFileSystem): void {
    const state = fs.crashState()
    for (const choice of state.everyChoice()) {
      const image = state.image(choice)
      const digest = image.digest()
      if (!this.#digests.has(digest)) this.all.push(image)
      this.#digests.add(digest)
    }
  }
}

describe('a crash while truncate is at work', () => {
  const cases = MODELS.flatMap((model) => OFFSETS.map((offset) => ({ model, offset })))
  it.each(cases)('at $offset, anywhere, leaves a beginning of the log ($model)', async ({ model, offset }) => {
    const images = new Images()
    for (const weakNames of [false, true]) {
      const copy = await mixedLog({ failedSync: model, weakNames })
      const writer = await copy.open()
      images.collect(copy.fs)
      await writer.truncate(BigInt(offset))
    }
    const lengths = new Set<number>()
    for (const image of images.all) lengths.add(await expectBeginning(booted(image), offset))
    const reached = [offset, ...MIXED_BASES.filter((base) => base > offset), MIXED_VALUES.length]
    expect(lengths).toEqual(new Set(reached))
  })

  it.each(cases)('at $offset after a failed commit, leaves no more of that than a crash before ($model)', async ({ model, offset }) => {
    const copy = await mixedLog({ failedSync: model })
    const writer = await copy.open()
    copy.fs.faults.add({ on: 'sync', fault: { error: 'EIO', lostPages: [] } })
    await expect(append(writer, 'rejected')).rejects.toThrow('EIO')
    const images = new Images()
    const stop = images.collect(copy.fs)
    await writer.truncate(BigInt(offset))
    stop()
    const after = new Images()
    after.add(copy.fs)
    for (const image of after.all) expect(await valuesOf(booted(image))).toEqual(MIXED_VALUES.slice(0, offset))
    for (const image of images.all) {
      const values = await valuesOf(booted(image))
      expect(values).toEqual([...MIXED_VALUES, 'rejected'].slice(0, values.length))
      expect(values.length).toBeGreaterThanOrEqual(offset)
    }
  })
})

describe('an operation of truncate that fails', () => {
  const offsets = [1, 3, 6, 10]
  const cases = MODELS.flatMap((model) =>
    (['once', 'for good'] as const).flatMap((how) => offsets.map((offset) => ({ model, how, offset }))),
  )
  it.each(cases)('$how, at $offset, loses nothing before it ($model)', async ({ model, how, offset }) => {
    const origin = await mixedLog({ failedSync: model })
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
      const images = new Images()
      images.add(copy.fs)
      for (const image of images.all) await expectBeginning(booted(image), offset)

      // What may come next, each on a log of its own: every writer is in the same state.
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
  })

  it('rejects appends until it has succeeded', async () => {
    const writer = await log.open()
    const rule = log.fs.faults.failAlways('unlink', 'EIO', /\.wal$/)
    await expect(writer.truncate(7n)).rejects.toMatchObject({ code: 'SQ_WAL_IO' })
    expect(writer.nextOffset).toBe(7n)
    await expect(append(writer, 'rejected')).rejects.toMatchObject({ code: 'SQ_WAL_COMMIT_FAILED', nextOffset: 7n })
    expect(await log.values()).toEqual(MIXED_VALUES.slice(0, 7))
    rule.remove()
    await writer.truncate(5n)
    expect(await append(writer, 'next')).toBe(5n)
    expect(await log.values()).toEqual([...MIXED_VALUES.slice(0, 5), 'next'])
  })
})

describe('a truncation that failed anywhere', () => {
  it.each([3, 7])('and is tried again, at %d, leaves a beginning of the log wherever that is cut off', async (offset) => {
    const origin = await mixedLog()
    const images = new Images()
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
    expect(images.all.length).toBeGreaterThan(10)
    for (const image of images.all) await expectBeginning(booted(image), offset)
  })

  it('is synced again where the sync of a cut failed, before the segment behind goes', async () => {
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

/** Truncates as a repair does, without a writer. */
async function repair(fixture: LogFixture, offset: number): Promise<void> {
  const partition = locatePartition('/data', 'orders', 0)
  const lock = await PartitionLock.take(fixture.fs, '/data', partition)
  const directory = new SegmentDirectory(fixture.fs, partition.directory, lock)
  const maker = { directory, partition, clock: fixture.clock, random: new Random(2) }
  try {
    const { active } = await truncateLog(maker, { offset, nextOffset: offset, begin: async () => {} })
    await active.close()
  } finally {
    await lock.release()
  }
}

/** Damages a segment file: flips the lowest bit of a byte, removes the file, or cuts it. */
async function damage(fixture: LogFixture, base: number, where: number | 'remove' | 'cut'): Promise<void> {
  const content = await fixture.file(fixture.path(base))
  if (where === 'remove') {
    await fixture.fs.unlink(fixture.path(base))
    await fixture.fs.syncDirectory(fixture.directory)
  } else if (where === 'cut') {
    await fixture.overwrite(fixture.path(base), content.subarray(0, 121))
  } else {
    await fixture.overwrite(fixture.path(base), flipped(content, 8 * where))
  }
}

describe('truncateLog, of a log that cannot be opened', () => {
  /** What is damaged; in which segment, and where; and the offset up to which all verifies. */
  const damages: [what: string, base: number, where: number | 'remove' | 'cut', whole: number][] = [
    ['the first frame of the last segment', 8, 125, 8],
    ['the last frame of the last segment', 8, 200, 9],
    ['the head of the last segment', 8, 50, 8],
    ['the head of a segment in the middle', 6, 50, 6],
    ['the segment header of one in the middle', 2, 0, 2],
    ['the header of the last frame of a segment', 2, 250, 5],
    ['the body of the last frame of a segment', 2, 300, 5],
    ['the SEAL of a segment', 6, 4100, 8],
    ['all of a segment: it is missing', 6, 'remove', 6],
    ['all of one behind others: it is missing', 2, 'remove', 2],
    ['the end of a segment: it is cut short', 6, 'cut', 6],
    ['the head of the first segment', 0, 50, 0],
  ]
  const cases = damages.flatMap(([what, base, where, whole]) =>
    OFFSETS.filter((offset) => offset <= whole).map((offset) => ({ what, base, where, offset })),
  )

  it.each(cases)('with damage in $what, at $offset keeps all before it', async ({ base, where, offset }) => {
    await damage(log, base, where)
    const images = new Images()
    const stop = images.collect(log.fs)
    await repair(log, offset)
    stop()
    await expectBeginning(log, offset)
    for (const image of images.all) {
      const fixture = booted(image)
      const outcome = await valuesOf(fixture).catch((error: unknown) => error as Error)
      // Until it is done the log is refused, or it is a beginning of what it was.
      if (outcome instanceof Error) expect(outcome).toHaveProperty('code', expect.stringMatching(/^SQ_WAL_/))
      else expect(outcome).toEqual(MIXED_VALUES.slice(0, Math.max(outcome.length, offset)))
      if (!(outcome instanceof Error)) continue
      fixture.fs.kill()
      await repair(fixture, offset)
      expect((await valuesOf(fixture)).length).toBeGreaterThanOrEqual(offset)
    }
  })

  it('refuses where what is before the offset is damaged or missing, and where it is of an unknown version', async () => {
    await damage(log, 6, 50)
    await expect(repair(log, 7)).rejects.toThrow(CorruptLogError)
    const unknown = await mixedLog()
    const content = await unknown.file(unknown.path(8))
    content.writeUInt16LE(2, 4)
    await unknown.overwrite(unknown.path(8), content)
    const files = await unknown.files()
    await expect(repair(unknown, 3)).rejects.toThrow(UnsupportedFormatError)
    expect(await unknown.files()).toEqual(files)
    expect(unknown.fs.openHandles).toBe(0)
  })

  it('refuses a frame that verifies and is not made of records', async () => {
    log = new LogFixture()
    await log.makeSegments(new SegmentBytes().frame({ type: FrameType.RECORDS, recordCount: 2 }, Buffer.alloc(48)))
    await expect(repair(log, 1)).rejects.toThrow('is not made of 2 records')
  })
})

describe('a reader in this process', () => {
  it('reads nothing behind the offset any more, once the first segment goes', async () => {
    const writer = await log.open()
    const hold = log.fs.faults.hold('unlink', log.path(8))
    const truncating = writer.truncate(7n)
    await hold.reached
    expect(writer.nextOffset).toBe(7n)
    expect(await log.values()).toEqual(MIXED_VALUES.slice(0, 7))
    hold.release()
    await truncating
    expect(await log.values()).toEqual(MIXED_VALUES.slice(0, 7))
  })

  it('never gets anything but records of the log, or an error of the log, wherever it has come', async () => {
    for (const offset of [9, 7, 6, 4, 2]) {
      for (let read = 1; read < MIXED_VALUES.length; read++) {
        const copy = twin(log)
        const writer = await copy.open()
        const iteration = (await WalReader.open(copy.fs, copy.config, 'orders', 0)).read()
        const values: string[] = []
        let error: unknown = null
        for (let at = 0; ; at++) {
          if (at === read) await writer.truncate(BigInt(offset))
          const next = await iteration.next().catch((caught: unknown) => {
            error = caught
            return null
          })
          if (next === null || next.done === true) break
          values.push(Buffer.from(next.value.value).toString())
        }
        expect(values).toEqual(MIXED_VALUES.slice(0, values.length))
        if (error !== null) expect(error).toHaveProperty('code', expect.stringMatching(/^SQ_WAL_/))
      }
    }
  })
})

test('appends, truncations, rotations, failures and crashes in any order keep the log what it should be', async () => {
  const random = new Random(8)
  for (let life = 0; life < 60; life++) {
    const fixture = new LogFixture({ maxSegmentBytes: 400 })
    let writer = await fixture.open()
    let expected: string[] = []
    for (let step = 0; step < 25; step++) {
      const kind = random.int(7)
      if (kind === 0 && expected.length > 0) {
        const offset = random.int(expected.length + 1)
        await writer.truncate(BigInt(offset))
        expected = expected.slice(0, offset)
      } else if (kind === 1) {
        await writer.closeActiveSegment()
      } else if (kind === 2) {
        fixture.fs.faults.add({ on: 'sync', fault: { error: 'EIO', lostPages: [] } })
        await expect(append(writer, `rejected ${life} ${step}`)).rejects.toThrow('EIO')
        if (random.chance(0.5)) await writer.closeActiveSegment()
      } else if (kind === 3) {
        await writer.close()
        fixture.fs.crash({ random })
        writer = await fixture.open()
      } else {
        const values = Array.from({ length: 1 + random.int(4) }, (_, index) => `${life} ${step} ${index}`)
        await appendBatch(writer, values)
        expected.push(...values)
      }
      expect(await fixture.values()).toEqual(expected)
      expect(writer.nextOffset).toBe(BigInt(expected.length))
    }
    await writer.close()
    await appendEach(await fixture.open(), ['last'])
    expect(await fixture.values()).toEqual([...expected, 'last'])
  }
})
