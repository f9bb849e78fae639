/** Tables of what was appended: one for each scenario, and one of all. */
import { thousands } from '../markdown.ts'
import { median, spread } from '../measure.ts'
import type { Table } from '../part.ts'
import type { Contender } from './contender.ts'
import type { Measurement, Result } from './results.ts'
import type { Scenario } from './scenarios.ts'

const COLUMNS = ['blocks', 'values/s', 'rounds', 'MB/s', 'sq is', 'p50 ms', 'p99', 'p99.9', 'timer late p99']

/** Medians of the rounds and their spread, and how the log compares with each. */
export function tableOfScenario({ name, producers, what, batch }: Scenario, results: readonly Result[]): Table {
  const several = batch === null ? '' : `, in batches of ${thousands(batch)}`
  const by = `${thousands(producers)} ${producers === 1 ? 'producer' : 'producers'}`
  const own = rateOf(results.find(({ contender }) => contender.kind === 'ours'))
  const rows = results.map((result) => {
    const { contender, rounds } = result
    const middle = (figure: (measurement: Measurement) => number): number => median(rounds.map(figure))
    return [
      contender.name + (contender.caveat === null ? '' : ` (${contender.caveat})`),
      blocks(contender),
      thousands(rateOf(result)),
      spread(
        rounds.map(({ valuesPerSecond }) => valuesPerSecond),
        thousands,
      ),
      (middle(({ bytesPerSecond }) => bytesPerSecond) / 1e6).toFixed(1),
      Number.isNaN(own) ? '' : `${(own / rateOf(result)).toFixed(2)} x`,
      middle(({ p50 }) => p50).toFixed(2),
      middle(({ p99 }) => p99).toFixed(2),
      middle(({ p999 }) => p999).toFixed(2),
      contender.kind === 'native' ? '' : middle(({ loopDelayP99 }) => loopDelayP99 ?? Number.NaN).toFixed(2),
    ]
  })
  const figures = results.map(({ contender, rounds }) => {
    const { name: of, kind, blocks: isBlocking, gathers, caveat } = contender
    return { scenario: name, contender: { name: of, kind, blocks: isBlocking, gathers, caveat }, rounds }
  })
  return { title: `${name}: ${by}, values of ${what}${several}`, columns: [name, ...COLUMNS], rows, figures }
}

/** Values a second of every contender in every scenario. */
export function tableOfAll(results: readonly Result[], contenders: readonly Contender[]): Table {
  return { title: 'Values a second', ...matrixOf(results, contenders, thousands) }
}

/** How many times as many values a second the log appends as each other, for each of its modes. */
export function tablesOfRatios(results: readonly Result[], contenders: readonly Contender[]): Table[] {
  const others = contenders.filter(({ kind }) => kind !== 'ours')
  return contenders
    .filter(({ kind }) => kind === 'ours')
    .map((own) => {
      const show = (rate: number, scenario: Scenario): string =>
        `${(rateIn(results, own, scenario) / rate).toFixed(2)} x`
      return { title: `How many times as many ${own.name} appends as`, ...matrixOf(results, others, show) }
    })
}

/** A row for each contender, a column for each scenario. */
function matrixOf(
  results: readonly Result[],
  contenders: readonly Contender[],
  show: (rate: number, scenario: Scenario) => string,
): Omit<Table, 'title'> {
  const scenarios = [...new Set(results.map(({ scenario }) => scenario))]
  const rows = contenders.map((contender) => {
    const cells = scenarios.map((scenario) => {
      const rate = rateIn(results, contender, scenario)
      return Number.isNaN(rate) ? '' : show(rate, scenario)
    })
    return [contender.name, blocks(contender), ...cells]
  })
  return { columns: ['', 'blocks', ...scenarios.map(({ name }) => name)], rows, figures: null }
}

/** NaN where the contender took no part. */
function rateIn(results: readonly Result[], of: Contender, where: Scenario): number {
  return rateOf(results.find(({ scenario, contender }) => scenario === where && contender === of))
}

function rateOf(result: Result | undefined): number {
  return median((result?.rounds ?? []).map(({ valuesPerSecond }) => valuesPerSecond))
}

function blocks(contender: Contender): string {
  if (contender.kind === 'native') return 'native'
  return contender.blocks ? 'yes' : 'no'
}
