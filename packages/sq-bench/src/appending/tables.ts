/** Tables of what was appended: one for each scenario, and one of all. */
import { thousands } from '../markdown.ts'
import { median, spread } from '../measure.ts'
import type { Table } from '../part.ts'
import type { Result } from './main.ts'
import type { Measurement } from './measure.ts'
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
      blocks(result),
      thousands(rateOf(result)),
      spread(rounds.map(({ valuesPerSecond }) => valuesPerSecond), thousands),
      (middle(({ bytesPerSecond }) => bytesPerSecond) / 1e6).toFixed(1),
      Number.isNaN(own) ? '' : `${(own / rateOf(result)).toFixed(2)} x`,
      middle(({ p50 }) => p50).toFixed(2),
      middle(({ p99 }) => p99).toFixed(2),
      middle(({ p999 }) => p999).toFixed(2),
      contender.kind === 'native' ? '' : middle(({ loopDelayP99 }) => loopDelayP99 ?? Number.NaN).toFixed(2),
    ]
  })
  const figures = results.map(({ contender, rounds }) => {
    const { name: of, kind, blocks: isBlocking, durable, caveat } = contender
    return { scenario: name, contender: { name: of, kind, blocks: isBlocking, durable, caveat }, rounds }
  })
  return { title: `${name}: ${by}, values of ${what}${several}`, columns: [name, ...COLUMNS], rows, figures }
}

/** Values a second of every contender in every scenario. */
export function tableOfAll(results: readonly Result[]): Table {
  const scenarios = [...new Set(results.map(({ scenario }) => scenario.name))]
  const contenders = [...new Map(results.map((result) => [result.contender.name, result])).values()]
  const rows = contenders.map((of) => {
    const rates = scenarios.map((name) => {
      const ofBoth = results.find(({ scenario, contender }) => scenario.name === name && contender === of.contender)
      const rate = rateOf(ofBoth)
      return Number.isNaN(rate) ? '' : thousands(rate)
    })
    return [of.contender.name, blocks(of), ...rates]
  })
  return { title: 'Values a second', columns: ['', 'blocks', ...scenarios], rows, figures: null }
}

function rateOf(result: Result | undefined): number {
  return median((result?.rounds ?? []).map(({ valuesPerSecond }) => valuesPerSecond))
}

function blocks({ contender }: Result): string {
  if (contender.kind === 'native') return 'native'
  return contender.blocks ? 'yes' : 'no'
}
