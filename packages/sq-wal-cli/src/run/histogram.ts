/** Latencies as people look at them: percentiles, and a histogram whose classes double in width. */

/** The value that so many percent of the sorted values do not exceed (nearest rank); 0 of none. */
export function percentile(sorted: ArrayLike<number>, percent: number): number {
  return sorted[Math.max(Math.ceil((percent / 100) * sorted.length), 1) - 1] ?? 0
}

/** The lines of a histogram: a class for each power of two of microseconds, a bar to scale, and its share. */
export function drawHistogram(sortedMs: ArrayLike<number>, columns: number): string {
  const counts = new Map<number, number>()
  for (const ms of Array.from(sortedMs)) {
    const power = Math.max(Math.floor(Math.log2(1000 * ms)), 0)
    counts.set(power, (counts.get(power) ?? 0) + 1)
  }
  const most = Math.max(...counts.values())
  const [first, last] = [Math.min(...counts.keys()), Math.max(...counts.keys())]
  const lines: string[] = []
  for (let power = first; power <= last; power++) {
    const count = counts.get(power) ?? 0
    const share = (100 * count) / sortedMs.length
    const bar = '='.repeat(Math.ceil((count / most) * Math.max(columns - 34, 10)))
    const range = `${formatUs(2 ** power)} to ${formatUs(2 ** (power + 1))}`
    lines.push(`  ${range.padStart(20)}  ${share.toFixed(1).padStart(5)} %  ${bar}\n`)
  }
  return lines.join('')
}

/** `256 us`, `1.02 ms`, `2.1 s`. */
function formatUs(us: number): string {
  if (us < 1000) return `${us} us`
  return us < 1e6 ? `${(us / 1000).toPrecision(3)} ms` : `${(us / 1e6).toPrecision(3)} s`
}
