/** Measures what a contender does in a scenario. */
import { mkdir, rm } from 'node:fs/promises'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { SystemClock } from '@sq/sim'
import type { Appender, Contender } from './contender.ts'
import type { Scenario } from './scenarios.ts'

/** One measurement. Latencies are those of appends, or of whole batches, in milliseconds. */
export interface Measurement {
  readonly valuesPerSecond: number
  readonly bytesPerSecond: number
  readonly p50: number
  readonly p99: number
  readonly p999: number
  /** How late a timer of 1 ms is at the 99th percentile, in milliseconds. */
  readonly loopDelayP99: number
}

/** Before this share of the time nothing counts: machine code and files are not yet what they will be. */
const WARM_UP = 0.25

const clock = new SystemClock()

/** Whether a contender makes sense in a scenario: with many producers only what gathers, or blocks anyway. */
export function takesPart({ gathers }: Contender, { producers, batch }: Scenario): boolean {
  return gathers || producers === 1 || (producers === 4 && batch === null)
}

/** In a directory that is made, and removed afterwards. */
export async function measure(
  contender: Contender,
  scenario: Scenario,
  { directory, durationMs }: { directory: string; durationMs: number },
): Promise<Measurement> {
  await mkdir(directory)
  try {
    const appender = await contender.open(directory)
    try {
      return await run(appender, scenario, durationMs)
    } finally {
      await appender.close()
    }
  } finally {
    await rm(directory, { recursive: true })
  }
}

async function run(
  appender: Appender,
  { producers, values: makeValues, batch }: Scenario,
  durationMs: number,
): Promise<Measurement> {
  const values = makeValues()
  const batches = batch === null ? [] : values.map((value) => Array.from({ length: batch }, () => value))
  const latencies: number[] = []
  let bytes = 0
  const startMs = clock.monotonic()
  const countedFromMs = startMs + WARM_UP * durationMs
  const endMs = startMs + durationMs
  let lastMs = countedFromMs
  const produce = async (producer: number): Promise<void> => {
    for (let nowMs = clock.monotonic(), at = producer; nowMs < endMs; at++) {
      const begunMs = nowMs
      const [value = Buffer.alloc(0), several = []] = [values[at % values.length], batches[at % values.length]]
      await (batch === null ? appender.append(value) : appender.appendBatch(several))
      nowMs = clock.monotonic()
      if (begunMs < countedFromMs) continue
      latencies.push(nowMs - begunMs)
      bytes += (batch ?? 1) * value.length
      lastMs = nowMs
      // A promise that is settled at once lets nothing else have its turn.
      if (latencies.length % 256 === 0) await new Promise(setImmediate)
    }
  }
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  await Promise.all(Array.from({ length: producers }, (_, producer) => produce(producer)))
  delay.disable()
  const sorted = Float64Array.from(latencies).toSorted()
  const last = sorted.length - 1
  const at = (share: number): number => sorted[Math.min(Math.floor(share * sorted.length), last)] ?? Number.NaN
  return {
    valuesPerSecond: (1000 * latencies.length * (batch ?? 1)) / (lastMs - countedFromMs),
    bytesPerSecond: (1000 * bytes) / (lastMs - countedFromMs),
    p50: at(0.5),
    p99: at(0.99),
    p999: at(0.999),
    loopDelayP99: delay.percentile(99) / 1e6 - 1,
  }
}
