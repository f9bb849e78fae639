import { describe, expect, it } from 'vitest'
import { listSegments } from '../../index.ts'
import { append, appendEach, LogFixture } from '../../testing/log-fixture.ts'

describe('the age of a segment that was opened again', () => {
  const SEGMENTS = ['00000000000000000000.wal', '00000000000000000001.wal']

  it.each([
    ['counts from its creation by the wall clock', { opened: 600, written: 400 }, 2],
    ['is what it was before', { opened: 600, written: 399 }, 1],
    ['is over at once if the process was down for that long', { opened: 1000, written: 0 }, 2],
    ['does not count less where the wall clock is behind the creation', { opened: -5000, written: 1000 }, 2],
    ['begins with 0 where the wall clock is behind the creation', { opened: -5000, written: 999 }, 1],
  ])('%s', async (_, { opened, written }, segments) => {
    const log = new LogFixture({ maxSegmentAgeMs: 1000 })
    const createdMs = log.clock.now()
    const first = await log.open()
    await append(first, 'a')
    await first.close()
    log.clock.setNow(createdMs + opened)
    const second = await log.open()
    log.clock.advance(written)
    log.clock.setNow(createdMs)
    await append(second, 'b')
    expect(await log.segmentNames()).toEqual(SEGMENTS.slice(0, segments))
  })

  it('counts through any number of openings', async () => {
    const log = new LogFixture({ maxSegmentAgeMs: 1000 })
    for (let opening = 0; opening < 10; opening++) {
      const writer = await log.open()
      await append(writer, 'a')
      await writer.close()
      log.clock.advance(150)
    }
    expect(await log.segmentNames()).toEqual(['00000000000000000000.wal', '00000000000000000007.wal'])
  })

  it.each([NaN, Infinity, Number.MAX_SAFE_INTEGER])(
    'is never over without a limit, whatever the wall clock returns: %s',
    async (nowMs) => {
      const log = new LogFixture({ maxSegmentAgeMs: Infinity })
      const writer = await log.open()
      await append(writer, 'a')
      await writer.close()
      log.clock.setNow(nowMs)
      await append(await log.open(), 'b')
      expect(await log.segmentNames()).toHaveLength(1)
    },
  )

  it('starts again with the segment that a truncation creates', async () => {
    const log = new LogFixture({ maxSegmentAgeMs: 1000 })
    const writer = await log.open()
    await appendEach(writer, ['a', 'b'])
    log.clock.advance(999)
    await writer.truncate(1n)
    await append(writer, 'c')
    await writer.close()
    log.clock.advance(999)
    const again = await log.open()
    await append(again, 'd')
    expect(await log.segmentNames()).toEqual(SEGMENTS)
    log.clock.advance(1)
    await append(again, 'e')
    expect(await log.segmentNames()).toEqual([...SEGMENTS, '00000000000000000003.wal'])
  })
})

describe('a segment without a record', () => {
  const HOUR = 60 * 60 * 1000

  /** The creation time of the segment with the first record, this long after the empty log was created. */
  async function createdAfter(emptyMs: number): Promise<number> {
    const log = new LogFixture()
    const writer = await log.open()
    await append(writer, 'a')
    log.clock.advance(20 * HOUR)
    await writer.truncate(0n)
    const emptiedMs = log.clock.now()
    log.clock.advance(emptyMs)
    await append(writer, 'b')
    const [segment] = await listSegments(log.fs, log.config, 'orders', 0)
    return (segment?.createdMs ?? NaN) - emptiedMs
  }

  it.each([
    ['is kept for its first record up to a day', 24 * HOUR, 0],
    ['is made again for a first record after a day', 24 * HOUR + 1, 24 * HOUR + 1],
  ])('%s', async (_, emptyMs, createdMs) => {
    expect(await createdAfter(emptyMs)).toBe(createdMs)
  })
})
