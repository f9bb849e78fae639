/** Parses times in the formats that people and programs write. */

/** A text is not a time that exists. The message says why. */
export class InvalidTimeError extends Error {
  override readonly name = 'InvalidTimeError'
}

const ISO_8601 =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(?:(Z)|([+-])(\d{2}):?(\d{2}))?)?$/
const CLOCK = /^(?:(today|yesterday)(?:[ T]|$))?(?:(\d{2}):(\d{2})(?::(\d{2}))?)?$/
const AGO = /^-(\d+)([smhdw])$/
const UNIX_SECONDS = /^@(\d+)(?:\.(\d{1,9}))?$/

/**
 * Without a decimal point, seconds must be in this range, 1973 to 5138, so that milliseconds of the same years are
 * never mistaken for seconds.
 */
const [MIN_PLAIN_SECONDS, MAX_PLAIN_SECONDS] = [1e8, 1e11]

/** The zone of a time that does not name one. `local`: the zone of this process. */
export type TimeZone = 'UTC' | 'local'

/**
 * Milliseconds since 1970 of an ISO 8601 date or time, in `zone` if it names none. Null for a text of another form.
 * Throws an `InvalidTimeError` for a day, hour, minute, second or offset that does not exist, and for years before 1970.
 * Digits below the millisecond are dropped. Of two equal local times, when clocks are set back, the first is meant.
 */
export function parseTime(text: string, zone: TimeZone = 'UTC'): number | null {
  const match = ISO_8601.exec(text)
  if (match === null) return null
  const field = (at: number): number => Number(match[at] ?? 0)
  const [year, month, day, hour, minute, second] = [field(1), field(2), field(3), field(4), field(5), field(6)]
  const daysInMonth = new Date(Date.UTC(year, month, 0)).getUTCDate()
  check(text, 'month', { found: month, min: 1, max: 12 })
  check(text, `day in ${match[1]}-${match[2]}`, { found: day, min: 1, max: daysInMonth })
  check(text, 'hour', { found: hour, min: 0, max: 23 })
  check(text, 'minute', { found: minute, min: 0, max: 59 })
  check(text, 'second', { found: second, min: 0, max: 59 })
  check(text, "offset's hour", { found: field(10), min: 0, max: 23 })
  check(text, "offset's minute", { found: field(11), min: 0, max: 59 })
  const isLocal = zone === 'local' && match[8] === undefined && match[9] === undefined
  const offsetMinutes = (match[9] === '-' ? -1 : 1) * (60 * field(10) + field(11))
  const timestampMs = isLocal
    ? localTime(text, { year, month, day, hour, minute, second, ms: msOf(match[7]), isDate: match[4] === undefined })
    : Date.UTC(year, month - 1, day, hour, minute - offsetMinutes, second, msOf(match[7]))
  // `Date` maps the years 0 to 99 to 1900 to 1999.
  if (year < 100 || timestampMs < 0) throw new InvalidTimeError(`${text} is before 1970`)
  return timestampMs
}

/** `isDate`: the begin of the day is meant, which is not always 0:00. */
function localTime(
  text: string,
  at: Readonly<Record<'year' | 'month' | 'day' | 'hour' | 'minute' | 'second' | 'ms', number>> & { isDate: boolean },
): number {
  const date = new Date(at.year, at.month - 1, at.day, at.hour, at.minute, at.second, at.ms)
  const isThere = date.getHours() === at.hour && date.getMinutes() === at.minute
  if (!isThere && !at.isDate) {
    throw new InvalidTimeError(`${text} does not exist in the local time zone, where clocks were set forward`)
  }
  return date.getTime()
}

/**
 * Milliseconds since 1970 of a time that depends on the current one: `now`, `today`, `yesterday`, `02:00` (of today),
 * `yesterday 18:30`, or a duration before now, `-90m`. Null for a text of another form. Throws as `parseTime` does.
 */
export function parseRelativeTime(text: string, { zone, nowMs }: { zone: TimeZone; nowMs: number }): number | null {
  if (text === 'now') return nowMs
  const [, count, unit] = AGO.exec(text) ?? []
  if (count !== undefined && unit !== undefined) {
    const timestampMs = nowMs - Number(count) * (DURATIONS_MS[unit] ?? NaN)
    if (!(timestampMs >= 0)) throw new InvalidTimeError(`${text} is before 1970`)
    return timestampMs
  }
  const [match, day, ...clock] = CLOCK.exec(text) ?? []
  if (match === undefined || match === '' || /[ T]$/.test(match)) return null
  const date = dateOf(nowMs, zone, day === 'yesterday' ? 1 : 0)
  const [hour, minute, second = '00'] = clock
  return parseTime(hour === undefined ? date : `${date}T${hour}:${minute}:${second}`, zone)
}

/** `2026-11-22`, some days before a time. */
function dateOf(timestampMs: number, zone: TimeZone, daysBefore: number): string {
  const date = new Date(timestampMs)
  const [year, month, day] =
    zone === 'local'
      ? [date.getFullYear(), date.getMonth(), date.getDate()]
      : [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()]
  return new Date(Date.UTC(year, month, day - daysBefore)).toISOString().slice(0, 10)
}

/**
 * Milliseconds since 1970 of `@SECONDS` or `@SECONDS.FRACTION`, as `date +%s` prints them. Null for a text of another
 * form. Throws an `InvalidTimeError` for a number that may be milliseconds.
 */
export function parseUnixTime(text: string): number | null {
  const [match, whole, fraction] = UNIX_SECONDS.exec(text) ?? []
  if (match === undefined) return null
  const seconds = Number(whole)
  const timestampMs = 1000 * seconds + msOf(fraction)
  if (!Number.isSafeInteger(timestampMs)) throw new InvalidTimeError(`${text} is too large for a time`)
  const isPlain = seconds === 0 || (seconds >= MIN_PLAIN_SECONDS && seconds < MAX_PLAIN_SECONDS)
  if (fraction === undefined && !isPlain) {
    throw new InvalidTimeError(
      `${text} may be seconds or milliseconds: write ${pointed(timestampMs)} for seconds, ${pointed(seconds)} for ` +
        'milliseconds',
    )
  }
  return timestampMs
}

/** The units of a duration, in milliseconds. */
export const DURATIONS_MS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}

/** The units of a time that is a number, counted from 1970. */
export type TimeUnit = 's' | 'ms' | 'us' | 'ns'

const NANOSECONDS: Readonly<Record<TimeUnit, bigint>> = { s: 1_000_000_000n, ms: 1_000_000n, us: 1000n, ns: 1n }

/** Milliseconds since 1970 of a whole number in a unit. Null if it is not a valid timestamp. */
export function fromUnit(count: bigint, unit: TimeUnit): number | null {
  // Division rounds towards zero: -1 us would become 0 ms.
  if (count < 0n) return null
  const timestampMs = Number((count * NANOSECONDS[unit]) / NANOSECONDS.ms)
  return Number.isSafeInteger(timestampMs) ? timestampMs : null
}

/** `@1795672800.123` */
function pointed(timestampMs: number): string {
  return `@${Math.floor(timestampMs / 1000)}.${String(timestampMs % 1000).padStart(3, '0')}`
}

function check(text: string, what: string, { found, min, max }: { found: number; min: number; max: number }): void {
  if (found >= min && found <= max) return
  throw new InvalidTimeError(`${text} does not exist: the ${what} is ${found}, expected ${min} to ${max}`)
}

function msOf(fraction = ''): number {
  return Number(fraction.slice(0, 3).padEnd(3, '0'))
}
