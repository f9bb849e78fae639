/** A logarithmic scale of a chart: the position of a figure, and the figures at grid lines. */

export interface LogScale {
  readonly at: (figure: number) => number
  /** The powers of ten within the scale; if fewer than three, also their multiples by 2 and by 5. */
  readonly ticks: readonly number[]
}

/** Maps positive figures to positions between `from` and `to`, with a small margin at both ends. */
export function logScale(figures: readonly number[], { from, to }: { from: number; to: number }): LogScale {
  const [least, most] = [Math.min(...figures) / 1.15, Math.max(...figures) * 1.15]
  const at = (figure: number): number => from + ((to - from) * Math.log(figure / least)) / Math.log(most / least)
  const lowest = Math.floor(Math.log10(least))
  const powers = Array.from({ length: Math.ceil(Math.log10(most)) - lowest + 1 }, (_, i) => 10 ** (lowest + i))
  const isWithin = (figure: number): boolean => figure >= least && figure <= most
  const coarse = powers.filter((power) => isWithin(power))
  const ticks = coarse.length > 2 ? coarse : powers.flatMap((power) => [power, 2 * power, 5 * power]).filter(isWithin)
  return { at, ticks }
}

/**
 * Moves positions until neighbours are at least `minDistance` from each other and none is past `end`. Keeps their
 * order.
 */
export function spaced(
  positions: readonly number[],
  { minDistance, end }: { minDistance: number; end: number },
): number[] {
  const order = positions
    .map((position, index) => ({ position, index }))
    .toSorted((one, other) => one.position - other.position)
  for (const [at, each] of order.entries()) {
    each.position = Math.max(each.position, (order[at - 1]?.position ?? -Infinity) + minDistance)
  }
  for (const [back, each] of order.toReversed().entries()) {
    each.position = Math.min(each.position, end - back * minDistance)
  }
  return order.toSorted((one, other) => one.index - other.index).map(({ position }) => position)
}
