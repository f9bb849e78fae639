/**
 * The part `diagnostics`: what events cost. Compares appending with a listener to appending without one, in turn.
 * Measures `hasSubscribers`, which every append calls, by itself.
 */
import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel'
import { join } from 'node:path'
import { SystemClock } from '@sq/sim'
import type { WalEvents } from '@sq/storage'
import { measure } from './appending/measure.ts'
import type { Measurement } from './appending/results.ts'
import { OURS } from './appending/own.ts'
import { SCENARIOS } from './appending/scenarios.ts'
import { decimals, thousands } from './markdown.ts'
import { median, spread } from './measure.ts'
import type { Settings, Table } from './part.ts'

const LISTENED: readonly (keyof WalEvents)[] = ['sq:wal:append', 'sq:wal:commit']
const SCENARIO_NAMES: readonly string[] = ['c64', 'c1024']
const DURATION_MS = 1500
const CHECKS = 10_000_000

const clock = new SystemClock()

export async function* diagnostics(directory: string, { rounds }: Settings): AsyncGenerator<Table> {
  const checkNs = Array.from({ length: rounds }, () => nanosecondsOfCheck())
  const percent = decimals(0, ' %')
  const figures: unknown[] = [{ checkNs }]
  const rows: string[][] = []
  for (const scenario of SCENARIOS.filter(({ name }) => SCENARIO_NAMES.includes(name))) {
    const [log] = OURS
    if (log === undefined) continue
    const without: Measurement[] = []
    const withListener: Measurement[] = []
    for (let round = 0; round < rounds; round++) {
      const once = (): Promise<Measurement> =>
        measure(log, scenario, { directory: join(directory, 'measured'), durationMs: DURATION_MS })
      // Rounds alternate the order, so that it does not matter.
      if (round % 2 === 0) without.push(await once())
      withListener.push(await listening(once))
      if (round % 2 === 1) without.push(await once())
    }
    const shares = withListener.map((each, round) => (100 * rateOf(each)) / rateOf(without[round]))
    const [rate, listened] = [without, withListener].map((all) => median(all.map((each) => rateOf(each))))
    const share = (100 * median(checkNs) * (rate ?? Number.NaN)) / 1e9
    const rates = [rate, listened].map((each) => thousands(each ?? Number.NaN))
    rows.push([scenario.name, ...rates, percent(median(shares)), spread(shares, percent), `${share.toFixed(2)} %`])
    figures.push({ scenario: scenario.name, without, withListener })
  }
  const ns = median(checkNs).toFixed(1)
  const title = `Events, with a listener for ${LISTENED.join(' and ')}; checking whether there is one takes ${ns} ns`
  const columns = ['', 'values/s without', 'with a listener', 'with/without', 'rounds', 'share of checks, without']
  yield { title, columns, rows, figures }
}

function rateOf(measurement: Measurement | undefined): number {
  return measurement?.valuesPerSecond ?? Number.NaN
}

async function listening<T>(work: () => Promise<T>): Promise<T> {
  let heard = 0
  const listener = (): void => void heard++
  for (const name of LISTENED) subscribe(name, listener)
  try {
    const result = await work()
    if (heard === 0) throw new Error(`no event on ${LISTENED.join(' and ')}`)
    return result
  } finally {
    for (const name of LISTENED) unsubscribe(name, listener)
  }
}

/** Measures the time of one `hasSubscribers` call without a listener. The loop around it is included. */
function nanosecondsOfCheck(): number {
  const appends = channel('sq:wal:append')
  let yes = 0
  const beganMs = clock.monotonic()
  for (let i = 0; i < CHECKS; i++) if (appends.hasSubscribers) yes++
  const tookMs = clock.monotonic() - beganMs
  if (yes > 0) throw new Error('an unexpected listener is subscribed')
  return (1e6 * tookMs) / CHECKS
}
