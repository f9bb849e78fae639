/** Prints a scenario's results: medians of the rounds, their spread, and how each compares with ours. */
import type { Measurement } from './measure.ts'
import { medianOf } from './median.ts'
import type { Result } from './main.ts'
import type { Scenario } from './scenarios.ts'

const FIGURES = ['p50', 'p99', 'p999', 'loopDelayP99'] as const

function rate({ valuesPerSecond }: Measurement): number {
  return valuesPerSecond
}

export function writeTable({ name, producers, what, batch }: Scenario, results: readonly Result[]): void {
  const several = batch === null ? '' : `, in batches of ${batch}`
  process.stdout.write(`\n${name}: ${producers} producers, values of ${what}${several}\n`)
  const ours = results.find(({ contender }) => contender.kind === 'ours')
  const own = ours === undefined ? Number.NaN : medianOf(ours.rounds, rate)
  const rows = results.map(({ contender, rounds }) => {
    const rates = rounds.map(rate)
    const median = medianOf(rounds, rate)
    return [
      contender.name + (contender.caveat === null ? '' : ` (${contender.caveat})`),
      contender.blocks ? 'blocks' : '',
      thousands(median),
      `${thousands(Math.min(...rates))} to ${thousands(Math.max(...rates))}`,
      (medianOf(rounds, ({ bytesPerSecond }) => bytesPerSecond) / 1e6).toFixed(1),
      `${(own / median).toFixed(2)} x`,
      ...FIGURES.map((key) => medianOf(rounds, (each) => each[key]).toFixed(2)),
    ]
  })
  const titles = ['', '', 'values/s', 'rounds', 'MB/s', 'sq is', 'p50 ms', 'p99', 'p99.9', 'loop p99']
  process.stdout.write(aligned([titles, ...rows]))
}

function thousands(count: number): string {
  return Math.round(count).toLocaleString('en-US')
}

/** Columns lined up: the first two to the left, the others to the right. */
function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const padded = rows.map((row) =>
    row.map((cell, column) => (column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))),
  )
  return padded.map((row) => `  ${row.join('  ').trimEnd()}\n`).join('')
}
