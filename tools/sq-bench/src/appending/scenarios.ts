/** The scenarios: the number of producers, each waiting for its own acknowledgement, and what they append. */
import { mixedValues, randomValues } from './values.ts'

export interface Scenario {
  readonly name: string
  readonly producers: number
  /** Describes the values. */
  readonly what: string
  /** The values, appended in turn. */
  readonly values: () => Buffer[]
  /** The length of each value; null if lengths differ. */
  readonly valueBytes: number | null
  /** The number of values in a batch; null if values are appended one by one. */
  readonly batch: number | null
}

const small = { what: '256 bytes', valueBytes: 256, values: () => randomValues(256), batch: null }
const big = { what: '1 MiB', valueBytes: 1_048_576, values: () => randomValues(1_048_576), batch: null }
const mixed = { what: 'JSON of five data sets', valueBytes: null, values: mixedValues, batch: null }

export const SCENARIOS: readonly Scenario[] = [
  { name: 'seq1', producers: 1, ...small },
  { name: 'c8', producers: 8, ...small },
  { name: 'c64', producers: 64, ...small },
  { name: 'c1024', producers: 1024, ...small },
  { name: 'batch1000', producers: 1, ...small, batch: 1000 },
  { name: 'big1m', producers: 4, ...big },
  { name: 'mixed', producers: 64, ...mixed },
]
