import { ManualClock } from '@sq/sim'
import { describe, expect, it, test } from 'vitest'
import { ClockSuspectError } from '../../errors.ts'
import { checkNoLead, checkNotBehind, CLOCK_SLACK_MS, ExpectedTime, silenceBefore, wallClockMs } from './wall-clock.ts'

const DAY = 86_400_000
const NOW = Date.UTC(2026, 0, 1)
const MOST = Number.MAX_SAFE_INTEGER

function clockAt(nowMs: number): ManualClock {
  const clock = new ManualClock()
  // A monotonic clock does not begin at 0.
  clock.advance(1234)
  clock.setNow(nowMs)
  return clock
}

test.each([
  [0, 0],
  [1.9, 1],
  [-1, 0],
  [-Infinity, 0],
  [NaN, 0],
  [MOST, MOST],
  [2 ** 53, MOST],
  [Infinity, MOST],
])('a clock at %d is taken to show %d', (shown, taken) => {
  expect(wallClockMs(clockAt(shown))).toBe(taken)
})

describe('the expected time', () => {
  it.each([
    ['there is no segment', null, NOW],
    ['the newest segment is older', NOW - 1, NOW],
    ['the newest segment is as much younger as clocks may differ', NOW + CLOCK_SLACK_MS, NOW],
    ['the newest segment is younger than that', NOW + CLOCK_SLACK_MS + 1, null],
  ])('is that of the wall clock, or unknown: %s', (_, newestCreatedMs, expected) => {
    const clock = clockAt(NOW)
    const time = new ExpectedTime(clock, newestCreatedMs)
    expect(time.ms()).toBe(expected)
    clock.advance(7)
    clock.setNow(NOW + DAY)
    expect(time.ms()).toBe(expected === null ? null : NOW + 7)
    time.follow()
    expect(time.ms()).toBe(expected === null ? null : NOW + DAY)
  })

  it.each([
    [-1, 0],
    [1, 1],
    [DAY, DAY],
    [DAY + 1, 0],
  ])('after the wall clock jumped by %d ms follows it by %d ms', (jumpMs, followedMs) => {
    const clock = clockAt(NOW)
    const time = new ExpectedTime(clock, null)
    clock.setNow(NOW + jumpMs)
    time.follow()
    expect(time.ms()).toBe(NOW + followedMs)
  })
})

/** The `ClockSuspectError` that it throws. */
function refusal(check: () => void): ClockSuspectError | null {
  try {
    check()
  } catch (error) {
    if (error instanceof ClockSuspectError) return error
    throw error
  }
  return null
}

const READING = { directory: '/data/orders/0', nowMs: NOW }

test('a clock may be behind the newest segment by what clocks may differ, and no more', () => {
  checkNotBehind(READING, NOW + CLOCK_SLACK_MS)
  const createdMs = NOW + CLOCK_SLACK_MS + 1
  expect(refusal(() => checkNotBehind(READING, createdMs))).toMatchObject({
    path: READING.directory,
    nowMs: NOW,
    referenceMs: createdMs,
    message: expect.stringContaining('but the newest segment of the log was created at 2026-01-01T00:05:00.001Z'),
  })
})

test('a clock may be a day ahead of the expected time, and no more', () => {
  checkNoLead(READING, null)
  checkNoLead(READING, NOW - DAY)
  const expectedMs = NOW - DAY - 1
  expect(refusal(() => checkNoLead(READING, expectedMs))).toMatchObject({
    path: READING.directory,
    nowMs: NOW,
    referenceMs: expectedMs,
    message: expect.stringContaining('by the monotonic clock it is 2025-12-30T23:59:59.999Z'),
  })
})

const MAX_AGE = 7 * DAY
const LONGEST = MAX_AGE + 366 * DAY

test.each<[string, number[], { fromMs?: number }, number | null]>([
  ['no time', [], {}, null],
  ['a time that is long ago enough to be allowed', [NOW - LONGEST], {}, null],
  ['a time that is longer ago', [NOW - LONGEST - 1], {}, NOW - LONGEST - 1],
  ['times that are not in order', [NOW - 2 * LONGEST, NOW, NOW - LONGEST], {}, null],
  ['two gaps, of which the last is told', [NOW - 9 * LONGEST, NOW, NOW - 2 * LONGEST], {}, NOW - 2 * LONGEST],
  ['a time in the future, which does not count', [NOW + 1, NOW - LONGEST], {}, null],
  ['a time before all that is deleted, which does not count', [NOW - LONGEST - 1], { fromMs: NOW - LONGEST }, null],
  ['the time from which on is deleted', [NOW - LONGEST - 1], { fromMs: NOW - LONGEST - 1 }, NOW - LONGEST - 1],
])('a silence in a log that states %s', (_, knownMs, { fromMs = 0 }, since) => {
  expect(silenceBefore(NOW, { fromMs, knownMs, maxAgeMs: MAX_AGE })).toBe(since)
})
