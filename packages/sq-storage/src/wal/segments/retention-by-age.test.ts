import { beforeEach, describe, expect, it, test } from 'vitest'
import { ClockSuspectError, explainRetention, listExpired, listSegments } from '../../index.ts'
import type { RetentionPolicy, WalWriter } from '../../index.ts'
import { append, LogFixture } from '../../testing/log-fixture.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const DAY = 24 * 60 * MINUTE
const YEAR = 365 * DAY
const START = Date.UTC(2026, 0, 1)

let log: LogFixture
let writer: WalWriter

beforeEach(async () => {
  log = new LogFixture()
  log.clock.setNow(START)
  writer = await log.open()
})

/** Appends a record with the current time, or a time that much later. */
async function appendNow(aheadMs = 0): Promise<void> {
  await writer.append(null, Buffer.from('x'), [], log.clock.now() + aheadMs)
}

/** Appends this number of segments, one per day. */
async function appendDays(days: number): Promise<void> {
  for (let day = 0; day < days; day++) {
    await appendNow()
    await writer.closeActiveSegment()
    log.clock.advance(DAY)
  }
}

async function reopen(): Promise<void> {
  await writer.close()
  writer = await log.open()
}

/** Deletes segments, and compares them with what `listExpired` announced. Resolves with their base offsets. */
async function deleteAs(policy: RetentionPolicy): Promise<number[]> {
  const listed = await listExpired(log.fs, log.config, 'orders', 0, { policy, nowMs: log.clock.now() })
  const deleted = await writer.deleteSegments(policy)
  expect(deleted).toEqual(listed)
  return deleted.map(({ baseOffset }) => Number(baseOffset))
}

/** Resolves with the error of a deletion, which must have deleted nothing; null if it succeeds. */
async function refusal(policy: RetentionPolicy): Promise<unknown> {
  const before = await log.segmentNames()
  const error = await writer.deleteSegments(policy).then(
    () => null,
    (reason: unknown) => reason,
  )
  if (error !== null) expect(await log.segmentNames()).toEqual(before)
  return error
}

async function reasons(policy: RetentionPolicy): Promise<unknown[]> {
  const verdicts = await explainRetention(log.fs, log.config, 'orders', 0, { policy, nowMs: log.clock.now() })
  return verdicts.map(({ segment, keptBecause, expiredBy }) => [Number(segment.baseOffset), keptBecause, ...expiredBy])
}

describe('the active segment', () => {
  it('is deleted once its last record is too old, and the offsets continue', async () => {
    await appendNow()
    log.clock.advance(DAY)
    await appendNow()
    log.clock.advance(7 * DAY)
    expect(await deleteAs({ maxAgeMs: 7 * DAY })).toEqual([0])
    log.clock.advance(1)
    expect(await deleteAs({ maxAgeMs: 7 * DAY })).toEqual([1])
    expect(await log.values()).toEqual([])
    expect(await append(writer, 'next')).toBe(2n)
    await reopen()
    expect(await log.values()).toEqual(['next'])
  })

  it('is ended for its age, and reported closed', async () => {
    await appendNow()
    log.clock.advance(2)
    expect(await writer.deleteSegments({ maxAgeMs: 1 })).toMatchObject([
      { baseOffset: 0n, records: 1, state: 'active' },
    ])
    expect(log.closed).toMatchObject([{ baseOffset: 0n, records: 1, state: 'sealed' }])
  })

  it('is deleted after any number of openings, even without a write', async () => {
    await appendNow()
    for (let day = 0; day < 7; day++) {
      await reopen()
      expect(await deleteAs({ maxAgeMs: 7 * DAY })).toEqual([])
      log.clock.advance(DAY)
    }
    log.clock.advance(1)
    await reopen()
    expect(await deleteAs({ maxAgeMs: 7 * DAY })).toEqual([0])
  })

  it('is kept without records, and by any other limit', async () => {
    await appendNow()
    log.clock.advance(DAY)
    expect(await deleteAs({ belowOffset: 9n, maxTotalBytes: 0 })).toEqual([])
    expect(await deleteAs({ maxAgeMs: 1 })).toEqual([0])
    log.clock.advance(DAY)
    expect(await deleteAs({ maxAgeMs: 1 })).toEqual([])
    expect(await log.segmentNames()).toEqual(['00000000000000000001.wal'])
  })

  it('is kept if it holds the offset that is kept, or a later one', async () => {
    await appendNow()
    log.clock.advance(DAY)
    expect(await deleteAs({ maxAgeMs: 1, keepFromOffset: 0n })).toEqual([])
    expect(await log.values()).toEqual(['x'])
    expect(await deleteAs({ maxAgeMs: 1, keepFromOffset: 1n })).toEqual([0])
  })

  it('is not ended if an older segment stays', async () => {
    await appendNow(YEAR)
    await writer.closeActiveSegment()
    await appendNow()
    log.clock.advance(DAY)
    log.fs.operations.resetCounts()
    expect(await deleteAs({ maxAgeMs: 1 })).toEqual([])
    expect(log.fs.operations.count('write')).toBe(0)
  })

  it('is deleted if it is abandoned: its successor states its end', async () => {
    await appendNow()
    log.fs.faults.failNext('sync', 'EIO')
    await expect(appendNow()).rejects.toThrow('EIO')
    log.clock.advance(DAY)
    expect((await writer.deleteSegments({ maxAgeMs: 1 })).map(({ baseOffset }) => baseOffset)).toEqual([0n])
    expect(log.closed).toMatchObject([{ baseOffset: 0n, state: 'abandoned' }])
    expect(await append(writer, 'next')).toBe(1n)
    await reopen()
    expect(await log.values()).toEqual(['next'])
  })
})

test('nothing of an empty log is deleted by age', async () => {
  expect(await deleteAs({ maxAgeMs: 0 })).toEqual([])
})

describe('a quiet log', () => {
  it('that is silent for more than a year expires as before once it is written again', async () => {
    await appendNow()
    log.clock.advance(8 * DAY)
    expect(await deleteAs({ maxAgeMs: 7 * DAY })).toEqual([0])
    log.clock.advance(500 * DAY)
    await appendNow()
    log.clock.advance(8 * DAY)
    expect(await deleteAs({ maxAgeMs: 7 * DAY })).toEqual([1])
    await reopen()
    expect(await append(writer, 'next')).toBe(2n)
    expect(await log.values()).toEqual(['next'])
  })

  it('gets a new segment of the same name for its first record after a day, and no other', async () => {
    await writer.closeActiveSegment()
    await appendNow()
    log.clock.advance(2 * DAY)
    expect(await deleteAs({ maxAgeMs: DAY })).toEqual([0])
    const made = async (): Promise<number> => {
      const [segment] = await listSegments(log.fs, log.config, 'orders', 0)
      return (segment?.createdMs ?? START) - START
    }
    expect(await made()).toBe(2 * DAY)
    log.clock.advance(3 * DAY)
    await appendNow()
    expect(await made()).toBe(5 * DAY)
    log.clock.advance(DAY / 2)
    await appendNow()
    expect(await made()).toBe(5 * DAY)
    expect(await log.segmentNames()).toEqual(['00000000000000000001.wal'])
    expect(writer.stats().abandonedSegments).toBe(0)
  })
})

describe('explainRetention', () => {
  it('says for each segment by which limit it is deleted, or why it is kept', async () => {
    await appendDays(3)
    await appendNow(10 * YEAR)
    await writer.closeActiveSegment()
    await appendDays(2)
    log.clock.advance(10 * DAY)
    await appendNow()
    const all = { belowOffset: 2n, maxTotalBytes: Number.MAX_SAFE_INTEGER, maxAgeMs: 7 * DAY }
    expect(await reasons(all)).toEqual([
      [0, null, 'belowOffset', 'maxAgeMs'],
      [1, null, 'belowOffset', 'maxAgeMs'],
      [2, null, 'maxAgeMs'],
      [3, 'future-timestamp'],
      [4, 'older-kept', 'maxAgeMs'],
      [5, 'older-kept', 'maxAgeMs'],
      [6, 'active'],
    ])
    expect(await deleteAs(all)).toEqual([0, 1, 2])
    expect(await reasons({ belowOffset: 5n })).toEqual([
      [3, null, 'belowOffset'],
      [4, null, 'belowOffset'],
      [5, 'within-limits'],
      [6, 'active'],
    ])
    expect(await reasons({ belowOffset: 6n, keepFromOffset: 4n })).toEqual([
      [3, null, 'belowOffset'],
      [4, 'keep-from-offset', 'belowOffset'],
      [5, 'keep-from-offset', 'belowOffset'],
      [6, 'active'],
    ])
  })

  it('tells a timestamp in the future from clocks that differ a little', async () => {
    await appendNow(5 * MINUTE)
    await writer.closeActiveSegment()
    await appendNow(5 * MINUTE + 1)
    await writer.closeActiveSegment()
    expect(await reasons({ maxAgeMs: 1 })).toEqual([
      [0, 'within-limits'],
      [1, 'future-timestamp'],
    ])
    expect(await reasons({ belowOffset: 0n })).toEqual([
      [0, 'within-limits'],
      [1, 'within-limits'],
    ])
  })

  it('judges each segment as if all before it were deleted', async () => {
    await appendDays(3)
    const last = await log.file(log.path(2))
    expect(await reasons({ maxTotalBytes: last.length })).toEqual([
      [0, null, 'maxTotalBytes'],
      [1, null, 'maxTotalBytes'],
      [2, 'within-limits'],
    ])
  })

  it('opens no segment twice, and reads no size unnecessarily', async () => {
    await appendDays(5)
    const { operations } = log.fs
    operations.resetCounts()
    await reasons({ belowOffset: 3n })
    const stats = operations.count('stat')
    expect(operations.count('open')).toBe(5)
    operations.resetCounts()
    await reasons({ belowOffset: 3n, maxTotalBytes: 0 })
    expect(operations.count('stat')).toBe(stats + 5)
  })
})

describe('a clock that contradicts the log', () => {
  it('is behind the creation of the newest segment', async () => {
    await appendDays(10)
    await appendNow()
    const createdMs = log.clock.now()
    for (const isActive of [true, false]) {
      log.clock.setNow(createdMs - 5 * MINUTE - 1)
      expect(await refusal({ maxAgeMs: DAY })).toMatchObject({
        code: 'SQ_WAL_CLOCK_SUSPECT',
        path: log.directory,
        nowMs: createdMs - 5 * MINUTE - 1,
        referenceMs: createdMs,
        message:
          'nothing of /data/orders/0 was deleted by age: the clock says 2026-01-10T23:54:59.999Z, but the newest ' +
          'segment of the log was created at 2026-01-11T00:00:00.000Z; set the clock or, if it is right, delete with trustClock',
      })
      if (isActive) await writer.closeActiveSegment()
    }
    log.clock.setNow(createdMs - 5 * MINUTE)
    expect(await deleteAs({ maxAgeMs: 8 * DAY })).toEqual([0, 1])
    log.clock.setNow(START)
    expect(await writer.deleteSegments({ maxAgeMs: 0, trustClock: true })).toEqual([])
  })

  it.each([
    ['at once', async () => {}],
    ['once a segment was created by it', async () => appendNow()],
    ['once records of that time were appended', async () => appendNow().then(() => appendNow())],
  ])('is ten years ahead when the log is opened, also %s', async (_, meanwhile) => {
    await appendDays(3)
    await appendNow()
    await writer.close()
    const rightMs = log.clock.now()
    log.clock.setNow(rightMs + 10 * YEAR)
    writer = await log.open()
    await meanwhile()
    const error = await refusal({ maxAgeMs: 7 * DAY })
    expect(error).toBeInstanceOf(ClockSuspectError)
    expect(error).toMatchObject({ nowMs: rightMs + 10 * YEAR, referenceMs: rightMs })
    const question = { policy: { maxAgeMs: 7 * DAY }, nowMs: log.clock.now() }
    await expect(listExpired(log.fs, log.config, 'orders', 0, question)).rejects.toMatchObject({ ...(error as object) })
    await expect(explainRetention(log.fs, log.config, 'orders', 0, question)).rejects.toThrow(ClockSuspectError)
    // Once the clock is right again, retention works as before, except for the segments of that time.
    expect(await deleteAs({ maxAgeMs: 7 * DAY, trustClock: true })).toContain(0)
  })

  it.each([
    [DAY, null],
    [DAY + 1, 'SQ_WAL_CLOCK_SUSPECT'],
  ])('ran %d ms ahead of the monotonic clock since the log was opened: %s', async (leadMs, code) => {
    await appendDays(5)
    log.clock.setNow(log.clock.now() + leadMs)
    expect(await refusal({ maxAgeMs: 4 * DAY })).toEqual(code === null ? null : expect.objectContaining({ code }))
    // Only retention by age matters here.
    expect(await writer.deleteSegments({ maxAgeMs: YEAR, belowOffset: 3n })).toHaveLength(code === null ? 1 : 3)
  })

  it('may run ahead by some hours a night, on a machine whose monotonic clock stops while it sleeps', async () => {
    for (let night = 0; night < 9; night++) {
      await appendDays(1)
      log.clock.setNow(log.clock.now() + DAY / 3)
      expect(await refusal({ maxAgeMs: 7 * DAY })).toBe(null)
    }
    expect(await log.segmentNames()).toHaveLength(5)
  })

  it('is trusted again if it was behind the log when that was opened', async () => {
    await appendDays(5)
    await writer.close()
    const rightMs = log.clock.now()
    log.clock.setNow(0)
    writer = await log.open()
    log.clock.setNow(rightMs)
    expect(await deleteAs({ maxAgeMs: 3 * DAY })).toEqual([0, 1])
  })

  it('does not matter to limits other than age', async () => {
    await appendDays(3)
    log.clock.setNow(0)
    expect(await deleteAs({ belowOffset: 1n, maxTotalBytes: Number.MAX_SAFE_INTEGER })).toEqual([0])
  })

  it.each([-1, NaN, -Infinity, Infinity])('returns %s', async (nowMs) => {
    await appendDays(2)
    log.clock.setNow(nowMs)
    expect(await refusal({ maxAgeMs: DAY })).toMatchObject({ code: 'SQ_WAL_CLOCK_SUSPECT' })
  })
})

describe('a log without evidence of a time', () => {
  it.each([7 * DAY, 3 * YEAR])('is deleted when it is older than %d ms, up to 366 days later', async (maxAgeMs) => {
    await appendDays(1)
    await appendNow()
    await writer.close()
    const lastMs = log.clock.now()
    const late = new LogFixture({}, log.fs.clone())
    for (const [waitedMs, fixture] of [
      [maxAgeMs + 366 * DAY, log],
      [maxAgeMs + 366 * DAY + 1, late],
    ] as const) {
      fixture.clock.setNow(lastMs + waitedMs)
      const opened = await fixture.open()
      const outcome = await opened.deleteSegments({ maxAgeMs }).catch((error: unknown) => error)
      if (fixture === log) expect(outcome).toHaveLength(2)
      else expect(outcome).toMatchObject({ code: 'SQ_WAL_CLOCK_SUSPECT', referenceMs: lastMs })
    }
  })

  it('counts only since the creation of the deleted segments: records may be of any time', async () => {
    for (const timestampMs of [0, 5 * YEAR, 20 * YEAR]) {
      await writer.append(null, Buffer.from('old'), [], timestampMs)
      await writer.closeActiveSegment()
    }
    expect(await deleteAs({ maxAgeMs: 7 * DAY })).toEqual([0, 1, 2])
  })

  it('is compared whole if its beginning does not tell enough', async () => {
    await appendDays(1)
    await appendNow(20 * YEAR)
    await writer.closeActiveSegment()
    for (let year = 0; year < 5; year++) {
      await appendNow()
      await writer.closeActiveSegment()
      log.clock.advance(YEAR)
    }
    expect(await deleteAs({ maxAgeMs: 7 * DAY })).toEqual([0])
  })
})

test('a policy by age reads nothing of the segments that this writer ended', async () => {
  await appendDays(30)
  await appendNow()
  log.fs.operations.resetCounts()
  expect(await writer.deleteSegments({ maxAgeMs: 28 * DAY })).toHaveLength(2)
  expect(log.fs.operations.count('open')).toBe(0)
})

test('of those before the log was opened, it reads each that it deletes, and the first that stays, once', async () => {
  await appendDays(30)
  await appendNow()
  await reopen()
  log.fs.operations.resetCounts()
  expect(await writer.deleteSegments({ maxAgeMs: 28 * DAY })).toHaveLength(2)
  // Each segment, and the head of the next one, which states its end.
  expect(log.fs.operations.count('open')).toBe(2 * 3)
  log.fs.operations.resetCounts()
  expect(await writer.deleteSegments({ maxAgeMs: 28 * DAY })).toEqual([])
  expect(log.fs.operations.count('open')).toBe(0)
})
