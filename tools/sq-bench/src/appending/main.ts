/**
 * The part `append`: compares appending to the log with plain files and with other stores. All contenders are measured
 * in one run, in turn, for several rounds. Only ratios within a run are meaningful.
 */
import { join } from 'node:path'
import type { Chart, Settings, Table } from '../part.ts'
import { drawLatency } from './charts/latency.ts'
import { colorsOf } from './charts/svg.ts'
import { drawThroughput } from './charts/throughput.ts'
import type { Contender } from './contender.ts'
import { measure, takesPart } from './measure.ts'
import { LIMITS, OURS, TICK_LIMITS } from './own.ts'
import { installPeers, NODE_PEER_NAMES } from './peers/install.ts'
import { buildNativePeers, NATIVE_PEER_NAMES } from './peers/native.ts'
import type { Measurement, Result } from './results.ts'
import { SCENARIOS } from './scenarios.ts'
import type { Scenario } from './scenarios.ts'
import { tableOfAll, tableOfScenario, tablesOfRatios } from './tables.ts'

const DURATION_MS = 1500
const QUICK_DURATION_MS = 500

export const QUICK_CONTENDER_NAMES: readonly string[] = [...OURS, ...LIMITS].map(({ name }) => name)
export const CONTENDER_NAMES: readonly string[] = [
  ...QUICK_CONTENDER_NAMES,
  ...TICK_LIMITS.map(({ name }) => name),
  ...NODE_PEER_NAMES,
  ...NATIVE_PEER_NAMES,
]

/**
 * With `quick`: only this log and plain files, in less than a minute. Throws an error if no wanted contender can run
 * here.
 */
export async function* appending(directory: string, settings: Settings): AsyncGenerator<Table | Chart> {
  const contenders = findContenders(settings)
  if (contenders.length === 0)
    throw new Error('there is nothing to measure: none of the wanted contenders can run here')
  const results: Result[] = []
  for (const scenario of SCENARIOS) {
    const taking = contenders.filter((contender) => takesPart(contender, scenario))
    if (taking.length === 0) continue
    const these = await inTurn(taking, scenario, { directory, ...settings })
    yield tableOfScenario(scenario, these)
    results.push(...these)
  }
  yield tableOfAll(results, contenders)
  yield* tablesOfRatios(results, contenders)
  const colors = colorsOf(contenders)
  yield {
    title: 'Throughput, by number of producers',
    caption: 'Durable appends of 256-byte values per second, for 1 to 1,024 producers; both axes are logarithmic.',
    file: 'append-throughput.svg',
    svg: drawThroughput(results, colors),
  }
  yield {
    title: 'Append latency',
    caption:
      'The time from an append to its acknowledgement, in milliseconds, with 1 and with 64 producers: median, 99 % and 99.9 %; the axis is logarithmic.',
    file: 'append-latency.svg',
    svg: drawLatency(results, colors),
  }
}

function findContenders({ quick, isWanted }: Settings): Contender[] {
  const own = [...OURS, ...LIMITS, ...(quick ? [] : TICK_LIMITS)].filter(({ name }) => isWanted(name))
  return quick ? own : [...own, ...installPeers(isWanted), ...buildNativePeers(isWanted)]
}

async function inTurn(
  taking: readonly Contender[],
  scenario: Scenario,
  { directory, rounds, quick }: { directory: string; rounds: number; quick: boolean },
): Promise<Result[]> {
  const measured = new Map<Contender, Measurement[]>(taking.map((contender) => [contender, []]))
  const place = { directory: join(directory, 'measured'), durationMs: quick ? QUICK_DURATION_MS : DURATION_MS }
  for (let round = 0; round < rounds; round++) {
    // Each round starts with another contender, so that the order does not matter.
    for (const [at] of taking.entries()) {
      const contender = taking[(at + round) % taking.length]
      if (contender !== undefined) measured.get(contender)?.push(await measure(contender, scenario, place))
    }
  }
  return taking.map((contender) => ({ scenario, contender, rounds: measured.get(contender) ?? [] }))
}
