/** The tables of the part `append`: one per scenario, and summaries of all. */
import { thousands } from '../markdown.ts'
import { median, spread } from '../measure.ts'
import type { Table } from '../part.ts'
import type { Contender } from './contender.ts'
import type { Measurement, Result } from './results.ts'
import type { Scenario } from './scenarios.ts'

const COLUMNS = ['blocks', 'values/s', 'rounds', 'MB/s', 'sq / this', 'p50 ms', 'p99', 'p99.9', 'timer delay p99']

/** Medians of the rounds, their spread, and the throughput of the log divided by that of each contender. */
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
    const { name: of, kind, blocks: isBlocking, groupCommit, caveat } = contender
    return { scenario: name, contender: { name: of, kind, blocks: isBlocking, groupCommit, caveat }, rounds }
  })
  return { title: `${name}: ${by}, values of ${what}${several}`, columns: [name, ...COLUMNS], rows, figures }
}

/** Values per second of every contender in every scenario. */
export function tableOfAll(results: readonly Result[], contenders: readonly Contender[]): Table {
  return { title: 'Values per second', ...matrixOf(results, contenders, thousands) }
}

/** One table per mode of the log: its throughput divided by that of each other contender. */
export function tablesOfRatios(results: readonly Result[], contenders: readonly Contender[]): Table[] {
  const others = contenders.filter(({ kind }) => kind !== 'ours')
  return contenders
    .filter(({ kind }) => kind === 'ours')
    .map((own) => {
      const show = (rate: number, scenario: Scenario): string =>
        `${(rateIn(results, own, scenario) / rate).toFixed(2)} x`
      return {
        title: `Throughput of \`${own.name}\`, divided by that of each contender`,
        ...matrixOf(results, others, show),
      }
    })
}

/** A row per contender, a column per scenario. */
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

/** NaN if the contender was not measured in the scenario. */
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
