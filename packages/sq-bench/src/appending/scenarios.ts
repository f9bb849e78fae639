/** How values come: how many producers there are, each waiting for its own acknowledgement, and what they append. */

export interface Scenario {
  readonly name: string
  readonly producers: number
  readonly valueBytes: number
  /** How many values a producer appends at once; null: one, and not as a batch. */
  readonly batch: number | null
}

export const SCENARIOS: readonly Scenario[] = [
  { name: 'seq1', producers: 1, valueBytes: 256, batch: null },
  { name: 'c8', producers: 8, valueBytes: 256, batch: null },
  { name: 'c64', producers: 64, valueBytes: 256, batch: null },
  { name: 'c1024', producers: 1024, valueBytes: 256, batch: null },
  { name: 'batch1000', producers: 1, valueBytes: 256, batch: 1000 },
  { name: 'big1m', producers: 4, valueBytes: 1_048_576, batch: null },
]
