/** Percentiles of latencies, and a histogram whose classes double in width. */

/** The nearest-rank percentile of sorted values. 0 without values. */
export function percentile(sorted: ArrayLike<number>, percent: number): number {
  return sorted[Math.max(Math.ceil((percent / 100) * sorted.length), 1) - 1] ?? 0
}

/**
 * The number of values per class, from one power of two microseconds to the next, including empty classes in between.
 */
export function classesOf(sortedMs: ArrayLike<number>): readonly { readonly fromUs: number; readonly count: number }[] {
  const counts = new Map<number, number>()
  for (const ms of Array.from(sortedMs)) {
    const power = Math.max(Math.floor(Math.log2(1000 * ms)), 0)
    counts.set(power, (counts.get(power) ?? 0) + 1)
  }
  if (counts.size === 0) return []
  const [first, last] = [Math.min(...counts.keys()), Math.max(...counts.keys())]
  return Array.from({ length: last - first + 1 }, (_, at) => {
    return { fromUs: 2 ** (first + at), count: counts.get(first + at) ?? 0 }
  })
}

/** The lines of a histogram: for each class its share and a bar to scale. */
export function drawHistogram(sortedMs: ArrayLike<number>, columns: number): readonly string[] {
  const classes = classesOf(sortedMs)
  const most = Math.max(...classes.map(({ count }) => count))
  return classes.map(({ fromUs, count }) => {
    const share = ((100 * count) / sortedMs.length).toFixed(1)
    const bar = '='.repeat(Math.ceil((count / most) * Math.max(columns - 34, 10)))
    const range = `${formatUs(fromUs)} to ${formatUs(2 * fromUs)}`
    return `  ${range.padStart(20)}  ${share.padStart(5)} %  ${bar}`
  })
}

/** `256 us`, `1.02 ms`, `2.1 s`. */
function formatUs(us: number): string {
  if (us < 1000) return `${us} us`
  return us < 1e6 ? `${(us / 1000).toPrecision(3)} ms` : `${(us / 1e6).toPrecision(3)} s`
}
