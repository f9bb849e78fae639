/** The jobs of fuzzing: a range of cases each. */
import { Pool } from '../pool.ts'

export interface FuzzJob {
  readonly firstSeed: number
  readonly cases: number
}

/** The number of cases per outcome. */
export type FuzzFound = Readonly<Record<string, number>>

export const fuzzJobs: Pool<FuzzJob, FuzzFound> = new Pool(
  new URL('./worker.js', import.meta.url),
  ({ firstSeed, cases }) => `pnpm fuzz --cases ${cases} --seed ${firstSeed}`,
)
