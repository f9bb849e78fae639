/** Parses values of the command line: a place in a log (an offset or a time), a size, a duration. */
import { InvalidArgumentError } from 'commander'
import { DURATIONS_MS } from './time.ts'
import { WrittenTime } from './written-time.ts'

/** A time on the command line, as the code of a command gets it. */
export interface GivenTime {
  readonly timestampMs: number
}

export type Place = { readonly offset: bigint } | GivenTime

/** For the help of a command with an option that takes a place or a time. */
export const TIMES_HELP = `
Times: 2026-11-22T20:57:52Z, 2026-11-22 or 2026-11-22 20:57 (UTC, or local time with --local), now, today, yesterday,
02:00, "yesterday 02:00", -90m (before now; s, m, h, d, w), @1795381072 (seconds since 1970, as "date +%s" prints them).`

const TIMES = '2026-11-22T20:57:52Z, 02:00, yesterday, -90m or @1795381072 (seconds since 1970)'

export const PLACES = 'an offset or a time'

/** Parses an offset or a time. */
export function parsePlace(text: string): Place | WrittenTime {
  if (isOffset(text)) return { offset: BigInt(text) }
  const time = WrittenTime.parse(text)
  if (time === null) throw new InvalidArgumentError(`Expected an offset, such as 1200; or a time, such as ${TIMES}.`)
  return time
}

/** Parses a time. */
export function parseTimeOption(text: string): WrittenTime {
  const time = WrittenTime.parse(text)
  if (time !== null) return time
  const advice = isOffset(text) ? ` For seconds since 1970, write @${text}.` : ''
  throw new InvalidArgumentError(`Expected a time, such as ${TIMES}.${advice}`)
}

/** Parses an offset. */
export function parseOffset(text: string): bigint {
  if (!isOffset(text)) throw new InvalidArgumentError('Expected an offset: a whole number, 0 or more.')
  return BigInt(text)
}

function isOffset(text: string): boolean {
  return /^\d+$/.test(text) && Number.isSafeInteger(Number(text))
}

/** Parses a whole number of at least `least`. */
export function parseCount(least: number): (text: string) => number {
  return (text) => {
    const count = Number(text)
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(count) || count < least) {
      throw new InvalidArgumentError(`Expected a whole number, ${least} or more.`)
    }
    return count
  }
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
}

/** Parses `1000`, `500MB`, `1.5 GiB`. */
export function parseBytes(text: string): number {
  const bytes = inUnits(text.toLowerCase(), UNITS)
  if (bytes === null) throw new InvalidArgumentError('Expected a size, such as 1000, 500MB or 2GiB.')
  return bytes
}

/** Parses `45s`, `90m`, `36h`, `7d`, `2w`; in milliseconds. */
export function parseAge(text: string): number {
  const ms = inUnits(text, DURATIONS_MS)
  if (ms === null) throw new InvalidArgumentError('Expected a duration, such as 45s, 90m, 36h, 7d or 2w.')
  return ms
}

function inUnits(text: string, units: Readonly<Record<string, number>>): number | null {
  const [, count, unit] = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(text) ?? []
  const factor = unit === undefined ? undefined : units[unit]
  const value = factor === undefined ? NaN : Math.round(Number(count) * factor)
  return Number.isSafeInteger(value) ? value : null
}

/** Collects the values of an option that can be given several times. */
export function another(value: string, values: readonly string[] = []): readonly string[] {
  return [...values, value]
}
