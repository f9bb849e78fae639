/** The jobs of fuzzing: a run of cases each. */
import { Pool } from '../pool.ts'

export interface FuzzJob {
  readonly firstSeed: number
  readonly cases: number
}

/** How many cases had each outcome. */
export type FuzzFound = Readonly<Record<string, number>>

export const fuzzJobs: Pool<FuzzJob, FuzzFound> = new Pool(
  new URL('./worker.js', import.meta.url),
  ({ firstSeed, cases }) => `pnpm fuzz --cases ${cases} --seed ${firstSeed}`,
)
