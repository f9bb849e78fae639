/** The results of measurements. */
import type { Contender } from './contender.ts'
import type { Scenario } from './scenarios.ts'

/** One measurement. `p50`, `p99` and `p999` are latencies of appends, or of whole batches, in milliseconds. */
export interface Measurement {
  readonly valuesPerSecond: number
  readonly bytesPerSecond: number
  readonly p50: number
  readonly p99: number
  readonly p999: number
  /** How late a timer of 1 ms fires at the 99th percentile, in milliseconds; null if there is no event loop. */
  readonly loopDelayP99: number | null
}

/** The measurements of a contender in a scenario, one per round. */
export interface Result {
  readonly scenario: Scenario
  readonly contender: Contender
  readonly rounds: readonly Measurement[]
}
