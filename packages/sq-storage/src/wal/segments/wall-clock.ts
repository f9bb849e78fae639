/**
 * The wall clock, as far as the log goes by it: it may be wrong, and may jump. What it says is compared with what the
 * log itself says of the time before records are deleted by age.
 */
import type { Clock } from '@sq/sim'
import { ClockSuspectError } from '../../errors.ts'

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS

/** How far two times may be apart, and count as the same: what clocks of machines that are kept in time differ by. */
export const CLOCK_SLACK_MS: number = 5 * MINUTE_MS
/**
 * How much longer than `maxAgeMs` a log may say nothing of the time. The records of a quiet log expire after `maxAgeMs`;
 * the rest is for a machine that was off for a year.
 */
const MAX_SILENCE_MS = 366 * DAY_MS
/** How far the wall clock may run ahead of the monotonic one while a log is open: some stand still while a machine sleeps. */
const MAX_LEAD_MS = DAY_MS

/** Its time in milliseconds since 1970, as a file can hold it: a whole number from 0 to 2^53 - 1, whatever it says. */
export function wallClockMs(clock: Clock): number {
  return Math.min(Math.max(Math.trunc(clock.now()) || 0, 0), Number.MAX_SAFE_INTEGER)
}

/** What the wall clock should say, going by the monotonic one since a log was opened, or since `follow`. */
export class ExpectedTime {
  readonly #clock: Clock
  #monotonicOriginMs: number | null

  /** `newestCreatedMs`: when the newest segment that was found was created; null where there was none. */
  constructor(clock: Clock, newestCreatedMs: number | null) {
    this.#clock = clock
    const nowMs = wallClockMs(clock)
    const isBehind = newestCreatedMs !== null && nowMs < newestCreatedMs - CLOCK_SLACK_MS
    this.#monotonicOriginMs = isBehind ? null : nowMs - clock.monotonic()
  }

  /** In milliseconds since 1970. Null where nothing can be said: the clock was behind the log when it was opened. */
  ms(): number | null {
    return this.#monotonicOriginMs === null ? null : this.#monotonicOriginMs + this.#clock.monotonic()
  }

  /**
   * Believes the wall clock where it runs ahead by no more than it may. A monotonic clock that stands still while the
   * machine sleeps falls behind by some hours a night: the nights must not add up.
   */
  follow(): void {
    const expectedMs = this.ms()
    const leadMs = expectedMs === null ? 0 : wallClockMs(this.#clock) - expectedMs
    if (this.#monotonicOriginMs !== null && leadMs > 0 && leadMs <= MAX_LEAD_MS) this.#monotonicOriginMs += leadMs
  }
}

/** What the clock says, and where the log is that has to be deleted from. */
export interface ClockReading {
  readonly directory: string
  readonly nowMs: number
}

/** Throws a `ClockSuspectError` where the clock is behind the creation of the newest segment. */
export function checkNotBehind({ directory, nowMs }: ClockReading, newestCreatedMs: number): void {
  if (nowMs >= newestCreatedMs - CLOCK_SLACK_MS) return
  const contradiction = { referenceMs: newestCreatedMs, reference: 'but the newest segment of the log was created at' }
  throw new ClockSuspectError(directory, { nowMs, ...contradiction })
}

/** Throws a `ClockSuspectError` where the clock has run far ahead of the monotonic one. */
export function checkNoLead({ directory, nowMs }: ClockReading, expectedMs: number | null): void {
  if (expectedMs === null || nowMs - expectedMs <= MAX_LEAD_MS) return
  const contradiction = { referenceMs: expectedMs, reference: 'by the monotonic clock it is' }
  throw new ClockSuspectError(directory, { nowMs, ...contradiction })
}

/**
 * The start of the last stretch before now of which a log says nothing for longer than `maxAgeMs` and a year; null where
 * there is none since `fromMs`. `knownMs` are times that the log says, in any order.
 */
export function silenceBefore(
  nowMs: number,
  { fromMs, knownMs, maxAgeMs }: { fromMs: number; knownMs: readonly number[]; maxAgeMs: number },
): number | null {
  let laterMs = nowMs
  for (const earlierMs of knownMs.filter((ms) => ms >= fromMs && ms <= nowMs).toSorted((left, right) => right - left)) {
    if (laterMs - earlierMs > maxAgeMs + MAX_SILENCE_MS) return earlierMs
    laterMs = earlierMs
  }
  return null
}

/** What is thrown where `silenceBefore` found something. */
export function silenceError({ directory, nowMs }: ClockReading, sinceMs: number): ClockSuspectError {
  return new ClockSuspectError(directory, {
    nowMs,
    referenceMs: sinceMs,
    reference: 'after a stretch of which the log says nothing, longer than maxAgeMs and 366 days, that began at',
  })
}
