/** The process that simulates ranges of seeds. */
import { simulateJobs } from './jobs.ts'
import { simulate, simulateTraced } from './simulation.ts'
import type { Simulated } from './simulation.ts'

/** One in this many seeds runs twice, and both runs must be identical. */
const REPEATED_SHARE = 50

simulateJobs.serve(async ({ firstSeed, seeds }) => {
  const sum = { acknowledged: 0, rejected: 0, stops: 0 }
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    const found = await run(seed)
    sum.acknowledged += found.acknowledged
    sum.rejected += found.rejected
    sum.stops += found.stops
  }
  return sum
})

async function run(seed: number): Promise<Simulated> {
  try {
    if (seed % REPEATED_SHARE !== 0) return await simulate(seed)
    const [found, again] = [await simulateTraced(seed), await simulateTraced(seed)]
    if (again.traceHash !== found.traceHash) throw new Error('two runs of the seed differ')
    return found
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error)
    const replay = simulateJobs.replay({ firstSeed: seed, seeds: 1 })
    throw new Error(`VIOLATION ${what}\n  replay: ${replay}`, { cause: error })
  }
}
