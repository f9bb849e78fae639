/** Measures a contender in a scenario. */
import { mkdir, rm } from 'node:fs/promises'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { SystemClock } from '@sq/sim'
import type { Appender, Contender } from './contender.ts'
import { runProgram } from './program.ts'
import type { Measurement } from './results.ts'
import type { Scenario } from './scenarios.ts'

/** This share of the time is not counted: code is still being compiled, and files are still small. */
const WARM_UP_SHARE = 0.25

const clock = new SystemClock()

/**
 * Whether a contender is measured in a scenario. With many producers, only if it has group commit; with added group
 * commit, only if there are several producers. Programs generate their values themselves, all of one length.
 */
export function takesPart(contender: Contender, { producers, valueBytes }: Scenario): boolean {
  if ('program' in contender) return valueBytes !== null
  if (contender.groupCommit === 'added') return producers > 1
  return contender.groupCommit === 'own' || producers <= 4
}

/** Creates the directory, and removes it afterwards. */
export async function measure(
  contender: Contender,
  scenario: Scenario,
  { directory, durationMs }: { directory: string; durationMs: number },
): Promise<Measurement> {
  await mkdir(directory, { recursive: true })
  try {
    if ('program' in contender) {
      const { producers, batch, valueBytes } = scenario
      const times = [durationMs, WARM_UP_SHARE * durationMs]
      return await runProgram(contender.program, [producers, batch ?? 1, valueBytes ?? 0, ...times, directory])
    }
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
  const delay = monitorEventLoopDelay({ resolution: 1 })
  let bytes = 0
  const startMs = clock.monotonic()
  const countedFromMs = startMs + WARM_UP_SHARE * durationMs
  const endMs = startMs + durationMs
  let [lastMs, turnMs] = [countedFromMs, startMs]
  const produce = async (producer: number): Promise<void> => {
    for (let nowMs = clock.monotonic(), at = producer; nowMs < endMs; at++) {
      const begunMs = nowMs
      const [value = Buffer.alloc(0), several = []] = [values[at % values.length], batches[at % values.length]]
      await (batch === null ? appender.append(value) : appender.appendBatch(several))
      nowMs = clock.monotonic()
      if (begunMs >= countedFromMs) {
        if (latencies.length === 0) delay.enable()
        latencies.push(nowMs - begunMs)
        bytes += (batch ?? 1) * value.length
        lastMs = nowMs
      }
      // An append that never waits would starve the event loop, which a broker cannot afford. All contenders yield alike.
      if (nowMs - turnMs > 1) {
        turnMs = nowMs
        await new Promise(setImmediate)
      }
    }
  }
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
    loopDelayP99: Math.max(0, delay.percentile(99) / 1e6 - 1),
  }
}
