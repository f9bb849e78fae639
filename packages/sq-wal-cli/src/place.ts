/** A place in a log as people write it: an offset, or a time. */
import { InvalidArgumentError } from 'commander'

export type Place = { readonly offset: bigint } | { readonly timestampMs: number }

export const PLACES = 'an offset, such as 1200; or a time, such as 2026-11-22T20:57:52Z or @1795381072000 (milliseconds)'

/** Parses an offset, an ISO 8601 time, or `@` and milliseconds since 1970. */
export function parsePlace(text: string): Place {
  if (/^\d{1,16}$/.test(text)) return { offset: BigInt(text) }
  const timestampMs = /^@\d{1,16}$/.test(text) ? Number(text.slice(1)) : Date.parse(text)
  if (!/^[@\d]/.test(text) || !Number.isSafeInteger(timestampMs) || timestampMs < 0) {
    throw new InvalidArgumentError(`It is ${PLACES}.`)
  }
  return { timestampMs }
}

/** Parses a whole number of at least `least`. */
export function parseCount(least: number): (text: string) => number {
  return (text) => {
    const count = Number(text)
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(count) || count < least) {
      throw new InvalidArgumentError(`It is a whole number from ${least} on.`)
    }
    return count
  }
}
