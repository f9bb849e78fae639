/** What comes of the measuring. */
import type { Contender } from './contender.ts'
import type { Scenario } from './scenarios.ts'

/** One measurement. Latencies are those of appends, or of whole batches, in milliseconds. */
export interface Measurement {
  readonly valuesPerSecond: number
  readonly bytesPerSecond: number
  readonly p50: number
  readonly p99: number
  readonly p999: number
  /** How late a timer of 1 ms is at the 99th percentile, in milliseconds; null where there is no event loop. */
  readonly loopDelayP99: number | null
}

/** What was measured of a contender in a scenario, a measurement a round. */
export interface Result {
  readonly scenario: Scenario
  readonly contender: Contender
  readonly rounds: readonly Measurement[]
}
