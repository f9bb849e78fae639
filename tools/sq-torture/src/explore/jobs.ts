/** The jobs of an exploration: one workload each. */
import type { FailedSyncModel } from '@sq/sim/memory'
import { Pool } from '../pool.ts'
import type { Explored, Files } from './explorer.ts'

export interface ExploreJob {
  readonly model: FailedSyncModel
  /** The names of the steps. */
  readonly steps: readonly string[]
  readonly files: Files
}

export const exploreJobs: Pool<ExploreJob, Explored> = new Pool(
  new URL('./worker.js', import.meta.url),
  ({ model, steps, files }) => `pnpm explore --only ${steps.join(',')} --model ${model} --files ${files}`,
)
