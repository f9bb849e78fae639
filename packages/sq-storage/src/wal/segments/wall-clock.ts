/**
 * The wall clock. It may be wrong and may jump, so before records are deleted by age it is compared with the times that
 * the log itself states.
 */
import type { Clock } from '@sq/sim'
import { ClockSuspectError } from '../../errors.ts'

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS

/** The difference up to which two times count as equal: what synchronized machines may differ by. */
export const CLOCK_SLACK_MS: number = 5 * MINUTE_MS
/**
 * How much longer than `maxAgeMs` a log may be silent. Records of a quiet log expire after `maxAgeMs`; the extra year
 * is for a machine that was switched off.
 */
const MAX_SILENCE_MS = 366 * DAY_MS
/**
 * How far the wall clock may run ahead of the monotonic clock while a log is open: some monotonic clocks stop while the
 * machine sleeps.
 */
const MAX_LEAD_MS = DAY_MS

/**
 * The time of a clock in milliseconds since 1970, clamped to a whole number from 0 to 2^53 - 1, so that a broken clock
 * cannot fail a write.
 */
export function wallClockMs(clock: Clock): number {
  return Math.min(Math.max(Math.trunc(clock.now()) || 0, 0), Number.MAX_SAFE_INTEGER)
}

/** The time that the wall clock should show, by the monotonic clock since the log was opened or since `follow`. */
export class ExpectedTime {
  readonly #clock: Clock
  #monotonicOriginMs: number | null

  /** `newestCreatedMs`: the creation time of the newest segment; null without segments. */
  constructor(clock: Clock, newestCreatedMs: number | null) {
    this.#clock = clock
    const nowMs = wallClockMs(clock)
    const isBehind = newestCreatedMs !== null && nowMs < newestCreatedMs - CLOCK_SLACK_MS
    this.#monotonicOriginMs = isBehind ? null : nowMs - clock.monotonic()
  }

  /** In milliseconds since 1970. Null if unknown, because the clock was behind the log when it was opened. */
  ms(): number | null {
    return this.#monotonicOriginMs === null ? null : this.#monotonicOriginMs + this.#clock.monotonic()
  }

  /**
   * Accepts a wall clock that runs ahead by an allowed amount. A monotonic clock that stops during sleep falls behind
   * by some hours each night, and the nights must not add up.
   */
  follow(): void {
    const expectedMs = this.ms()
    const leadMs = expectedMs === null ? 0 : wallClockMs(this.#clock) - expectedMs
    if (this.#monotonicOriginMs !== null && leadMs > 0 && leadMs <= MAX_LEAD_MS) this.#monotonicOriginMs += leadMs
  }
}

/** The time of the clock, and the directory of the log to delete from. */
export interface ClockReading {
  readonly directory: string
  readonly nowMs: number
}

/** Throws a `ClockSuspectError` if the clock is behind the creation of the newest segment. */
export function checkNotBehind({ directory, nowMs }: ClockReading, newestCreatedMs: number): void {
  if (nowMs >= newestCreatedMs - CLOCK_SLACK_MS) return
  const contradiction = { referenceMs: newestCreatedMs, reference: 'but the newest segment of the log was created at' }
  throw new ClockSuspectError(directory, { nowMs, ...contradiction })
}

/** Throws a `ClockSuspectError` if the clock has run far ahead of the monotonic clock. */
export function checkNoLead({ directory, nowMs }: ClockReading, expectedMs: number | null): void {
  if (expectedMs === null || nowMs - expectedMs <= MAX_LEAD_MS) return
  const contradiction = { referenceMs: expectedMs, reference: 'by the monotonic clock it is' }
  throw new ClockSuspectError(directory, { nowMs, ...contradiction })
}

/**
 * The start of the last period before now in which a log states no time for longer than `maxAgeMs` and a year; null if
 * there is none since `fromMs`. `knownMs` are the times that the log states, in any order.
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

/** The error for a period that `silenceBefore` found. */
export function silenceError({ directory, nowMs }: ClockReading, sinceMs: number): ClockSuspectError {
  return new ClockSuspectError(directory, {
    nowMs,
    referenceMs: sinceMs,
    reference: 'after a silence of the log, longer than maxAgeMs and 366 days, that began at',
  })
}
