/** How values come: how many producers there are, each waiting for its own acknowledgement, and what they append. */
import { mixedValues, randomValues } from './values.ts'

export interface Scenario {
  readonly name: string
  readonly producers: number
  /** What the values are, in words; and they themselves, to be appended in turn. */
  readonly what: string
  readonly values: () => Buffer[]
  /** How many values a producer appends at once; null: one, and not as a batch. */
  readonly batch: number | null
}

const small = { what: '256 bytes', values: () => randomValues(256), batch: null }

export const SCENARIOS: readonly Scenario[] = [
  { name: 'seq1', producers: 1, ...small },
  { name: 'c8', producers: 8, ...small },
  { name: 'c64', producers: 64, ...small },
  { name: 'c1024', producers: 1024, ...small },
  { name: 'batch1000', producers: 1, ...small, batch: 1000 },
  { name: 'big1m', producers: 4, what: '1 MiB', values: () => randomValues(1_048_576), batch: null },
  { name: 'mixed', producers: 64, what: 'JSON of five data sets', values: mixedValues, batch: null },
]
