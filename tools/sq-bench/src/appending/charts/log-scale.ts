/** A logarithmic scale: where a figure lies between two ends of a chart, and the figures that its grid shows. */

export interface LogScale {
  readonly at: (figure: number) => number
  /** Within the scale: the powers of ten; where there are fewer than three, what is 2 and 5 times as much, too. */
  readonly ticks: readonly number[]
}

/** Of positive figures, with a little room at both ends. */
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

/** Moves places apart until each is at least so far from the next, and none is past the end; their order stays. */
export function apart(places: readonly number[], { least, end }: { least: number; end: number }): number[] {
  const order = places.map((place, index) => ({ place, index })).toSorted((one, other) => one.place - other.place)
  for (const [at, each] of order.entries()) {
    each.place = Math.max(each.place, (order[at - 1]?.place ?? -Infinity) + least)
  }
  for (const [back, each] of order.toReversed().entries()) each.place = Math.min(each.place, end - back * least)
  return order.toSorted((one, other) => one.index - other.index).map(({ place }) => place)
}
