/** Timing, medians and ranges. */
import { SystemClock } from '@sq/sim'

const clock = new SystemClock()

/** Resolves with how long the work took, in milliseconds. */
export async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const began = clock.monotonic()
  await work()
  return clock.monotonic() - began
}

/** Runs the work `rounds` times. Resolves with how long each round took, in milliseconds. */
export async function timesOf(rounds: number, work: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = []
  for (let round = 0; round < rounds; round++) times.push(await timeOf(work))
  return times
}

/** The figures can be in any order. NaN if there are none. */
export function median(figures: readonly number[]): number {
  return inOrder(figures)[Math.floor(figures.length / 2)] ?? Number.NaN
}

export function inOrder(figures: readonly number[]): number[] {
  return figures.toSorted((one, other) => one - other)
}

/** The smallest and the largest, as text: `1.20 to 1.31`. */
export function spread(figures: readonly number[], show: (figure: number) => string): string {
  return `${show(Math.min(...figures))} to ${show(Math.max(...figures))}`
}
