import type { Measurement } from './measure.ts'

/** The middle one of the rounds, by some figure of theirs. */
export function medianOf(rounds: readonly Measurement[], figure: (measurement: Measurement) => number): number {
  const sorted = rounds.map(figure).toSorted((one, other) => one - other)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
