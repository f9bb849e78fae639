/** The log beside the best of each sort, in every scenario: what the other tables say, in one. */
import { decimals } from '../markdown.ts'
import { median } from '../measure.ts'
import type { Table } from '../part.ts'
import type { Contender } from './contender.ts'
import type { Result } from './main.ts'

/** Each sort's best is looked for among those that are durable; each limit and each native peer is a sort by itself. */
export function tableOfRatios(results: readonly Result[]): Table {
  const ours = [...new Set(results.map(({ contender }) => contender))].filter(({ kind }) => kind === 'ours')
  const figures = [...new Set(results.map(({ scenario }) => scenario.name))].flatMap((scenario) => {
    const these = results.filter((result) => result.scenario.name === scenario)
    return sortsOf(these).map(({ sort, best }) => {
      const rate = rateOf(these, best)
      return { scenario, sort, best: best.name, ratios: ours.map((own) => rateOf(these, own) / rate) }
    })
  })
  const times = decimals(2, ' x')
  const rows = figures.map(({ scenario, sort, best, ratios }) => {
    return [`${scenario}: ${sort === best ? sort : `${sort}, ${best}`}`, ...ratios.map((ratio) => times(ratio))]
  })
  const title = 'How many times as many values a second the log appends as others'
  return { title, columns: ['beside', ...ours.map(({ name }) => name)], rows, figures }
}

function sortsOf(these: readonly Result[]): { sort: string; best: Contender }[] {
  const others = these.map(({ contender }) => contender).filter(({ kind, durable }) => kind !== 'ours' && durable)
  const peers = others.filter(({ kind }) => kind === 'peer')
  const sorts = [
    { sort: 'the best peer', of: peers },
    { sort: 'the best that does not block', of: peers.filter(({ blocks }) => !blocks) },
  ].flatMap(({ sort, of }) => {
    const [best] = of.toSorted((one, other) => rateOf(these, other) - rateOf(these, one))
    return best === undefined ? [] : [{ sort, best }]
  })
  const single = others.filter(({ kind }) => kind !== 'peer').map((best) => ({ sort: best.name, best }))
  return [...single, ...sorts]
}

function rateOf(results: readonly Result[], of: Contender): number {
  const result = results.find(({ contender }) => contender === of)
  return median((result?.rounds ?? []).map(({ valuesPerSecond }) => valuesPerSecond))
}
