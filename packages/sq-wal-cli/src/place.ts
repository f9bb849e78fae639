/** Parses values of the command line: a place in a log (an offset or a time), a size, a duration. */
import { InvalidArgumentError } from 'commander'
import { InvalidTimeError, parseTime, parseUnixTime } from './time.ts'

export type Place = { readonly offset: bigint } | { readonly timestampMs: number }

export const PLACES: string =
  'an offset, such as 1200; or a time, such as 2026-11-22T20:57:52Z (without a zone, UTC) or @1795381072 (seconds since ' +
  '1970, as "date +%s" prints them)'

/** Parses an offset, an ISO 8601 time, or `@` and seconds since 1970. */
export function parsePlace(text: string): Place {
  if (isOffset(text)) return { offset: BigInt(text) }
  const timestampMs = timeOf(text)
  if (timestampMs === null) throw new InvalidArgumentError(`Expected ${PLACES}.`)
  return { timestampMs }
}

function timeOf(text: string): number | null {
  try {
    return parseUnixTime(text) ?? parseTime(text)
  } catch (error) {
    throw error instanceof InvalidTimeError ? new InvalidArgumentError(`${error.message}.`) : error
  }
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
const DURATIONS_MS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
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
