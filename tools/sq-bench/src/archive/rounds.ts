/** Rounds of measurements: whose turn it is, and rows of tables about all of them. */
import { decimals } from '../markdown.ts'
import { median, spread } from '../measure.ts'

/** A figure of each contender, by its name. */
export type Round = Readonly<Record<string, number>>

export const MS: (figure: number) => string = decimals(1, ' ms')
export const MB_PER_SECOND: (figure: number) => string = decimals(0, ' MB/s')
export const RATIO: (figure: number) => string = decimals(2, ' x')

/** Measures each contender once. Another one is the first in each round. */
export async function inTurn(
  round: number,
  contenders: Readonly<Record<string, () => Promise<number>>>,
): Promise<Round> {
  const found: Record<string, number> = {}
  const all = Object.entries(contenders)
  const first = round % all.length
  for (const [name, measure] of [...all.slice(first), ...all.slice(0, first)]) found[name] = await measure()
  return found
}

/** A row with the median and the range of a figure over all rounds. */
export function rowOf<R>(
  rounds: readonly R[],
  what: string,
  figure: (round: R) => number,
  show: (figure: number) => string,
): string[] {
  const figures = rounds.map((round) => figure(round))
  return [what, show(median(figures)), spread(figures, show)]
}

/** A row for each of some contenders, and one with each of them, but the last, divided by the last. */
export function comparison(
  rounds: readonly Round[],
  names: readonly string[],
  show: (figure: number) => string,
): string[][] {
  const of = (round: Round, name = ''): number => round[name] ?? Number.NaN
  const last = names.at(-1)
  return [
    ...names.map((name) => rowOf(rounds, name, (round) => of(round, name), show)),
    ...names
      .slice(0, -1)
      .map((name) => rowOf(rounds, `${name} / ${last}`, (round) => of(round, name) / of(round, last), RATIO)),
  ]
}

/** MB each second. */
export function rate(bytes: number, timeMs: number): number {
  return bytes / 1000 / timeMs
}
