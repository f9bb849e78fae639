/** The jobs of a simulation: a range of seeds each. */
import { Pool } from '../pool.ts'

export interface SimulateJob {
  readonly firstSeed: number
  readonly seeds: number
}

/** Totals over the seeds of a job. */
export interface SimulateFound {
  readonly acknowledged: number
  readonly rejected: number
  readonly stops: number
}

export const simulateJobs: Pool<SimulateJob, SimulateFound> = new Pool(
  new URL('./worker.js', import.meta.url),
  ({ firstSeed, seeds }) => `pnpm simulate --seeds ${seeds} --seed ${firstSeed}`,
)
