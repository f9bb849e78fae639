import { Random } from '@sq/sim'
import { beforeEach, describe, expect, it } from 'vitest'
import { CorruptLogError, UnsupportedFormatError } from '../../index.ts'
import { CrashImages } from '../../testing/crash-images.ts'
import { flipped } from '../../testing/hand-bytes.ts'
import { LogFixture } from '../../testing/log-fixture.ts'
import { MIXED_VALUES, mixedLog } from '../../testing/mixed-log.ts'
import { SegmentBytes } from '../../testing/segment-bytes.ts'
import { FrameType } from '../format/frame.ts'
import { locatePartition } from '../segments/partition.ts'
import { PartitionLock, SegmentDirectory } from './partition-directory.ts'
import { truncateLog } from './truncation.ts'

let log: LogFixture

beforeEach(async () => {
  log = await mixedLog()
})

/** Opens a log, and returns its values. */
async function valuesOf(fixture: LogFixture): Promise<string[]> {
  await fixture.open()
  return fixture.values()
}

/** Truncates as a repair does, without a writer. */
async function repair(fixture: LogFixture, offset: number): Promise<void> {
  const partition = locatePartition('/data', 'orders', 0)
  const lock = await PartitionLock.take(fixture.fs, '/data', partition, { create: false })
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
  /** What is damaged, in which segment and where, and the offset up to which everything verifies. */
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
    Array.from({ length: whole + 1 }, (_, offset) => ({ what, base, where, offset })),
  )

  it.each(cases)(
    'with damage in $what, at $offset keeps everything before the offset',
    async ({ base, where, offset }) => {
      await damage(log, base, where)
      const images = new CrashImages()
      const stop = images.collect(log.fs)
      await repair(log, offset)
      stop()
      expect(await valuesOf(log)).toEqual(MIXED_VALUES.slice(0, offset))
      for (const fixture of images.logs()) {
        const outcome = await valuesOf(fixture).catch((error: unknown) => error as Error)
        // Until the truncation is complete, the log is refused, or it holds a prefix of its records.
        if (outcome instanceof Error) expect(outcome).toHaveProperty('code', expect.stringMatching(/^SQ_WAL_/))
        else expect(outcome).toEqual(MIXED_VALUES.slice(0, Math.max(outcome.length, offset)))
        if (!(outcome instanceof Error)) continue
        fixture.fs.kill()
        await repair(fixture, offset)
        expect((await valuesOf(fixture)).length).toBeGreaterThanOrEqual(offset)
      }
    },
  )

  it('does not bring back a rejected commit if nothing states the end of its segment', async () => {
    log = new LogFixture()
    const first = new SegmentBytes().records('a'.repeat(2000)).records('b').seal()
    const abandoned = new SegmentBytes({ baseOffset: 2, previous: first.link, segmentId: 2n }).records('c')
    const last = new SegmentBytes({ baseOffset: 3, previous: abandoned.link, segmentId: 3n }).records('d')
    await log.makeSegments(first, abandoned.records('rejected'), last)
    await damage(log, 3, 50)
    const images = new CrashImages()
    images.collect(log.fs)
    await repair(log, 1)
    for (const fixture of images.logs()) {
      const values = await valuesOf(fixture).catch(() => [])
      expect(values).not.toContain('rejected')
    }
  })

  it('refuses damage before the offset, and an unknown version anywhere', async () => {
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
    await expect(repair(log, 1)).rejects.toThrow('does not hold exactly 2 records')
  })
})
