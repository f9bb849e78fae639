/** The wall clock, as far as the log goes by it: it may be wrong, and may jump. */
import type { Clock } from '@sq/sim'

/** Its time in milliseconds since 1970, as a file can hold it: a whole number from 0 to 2^53 - 1, whatever it says. */
export function wallClockMs(clock: Clock): number {
  return Math.min(Math.max(Math.trunc(clock.now()) || 0, 0), Number.MAX_SAFE_INTEGER)
}
