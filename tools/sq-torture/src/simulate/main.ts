/** `pnpm simulate --seeds N [--seed S]`: runs N logs with faults, power cuts and kills, each drawn from its seed. */
import { main, mustBePositive, readOptions } from '../options.ts'
import { formatCount, formatSeconds, withProgress } from '../progress.ts'
import type { Progress } from '../progress.ts'
import { simulateJobs } from './jobs.ts'
import type { SimulateFound, SimulateJob } from './jobs.ts'
import { simulateTraced } from './simulation.ts'

const SEEDS_A_JOB = 100

await main(async () => {
  const { seeds, seed: firstSeed } = readOptions({ seeds: 1000, seed: 1 })
  mustBePositive({ seeds })
  if (seeds === 1) return replay(firstSeed)
  process.stdout.write(await withProgress((progress) => simulateAll({ seeds, firstSeed }, progress)))
})

/** Simulates all seeds, and resolves with a summary. */
async function simulateAll(
  { seeds, firstSeed }: { seeds: number; firstSeed: number },
  progress: Progress,
): Promise<string> {
  const jobs = Array.from({ length: Math.ceil(seeds / SEEDS_A_JOB) }, (_, index): SimulateJob => {
    const done = index * SEEDS_A_JOB
    return { firstSeed: firstSeed + done, seeds: Math.min(SEEDS_A_JOB, seeds - done) }
  })
  const sum = { seeds: 0, acknowledged: 0, rejected: 0, stops: 0 }
  const onDone = (found: SimulateFound, job: SimulateJob) => {
    sum.seeds += job.seeds
    sum.acknowledged += found.acknowledged
    sum.rejected += found.rejected
    sum.stops += found.stops
    progress.show(() => {
      const far = `${formatCount(sum.seeds)} of ${formatCount(seeds)} seeds`
      return `${far}, 0 violations, ${formatSeconds(progress.elapsedMs)}`
    })
  }
  await simulateJobs.run(jobs, onDone)
  return (
    `simulated ${formatCount(sum.seeds)} seeds from ${firstSeed}: ${formatCount(sum.acknowledged)} appends acknowledged, ` +
    `${formatCount(sum.rejected)} rejected, ${formatCount(sum.stops)} power cuts and kills, 0 violations, ` +
    `${formatSeconds(progress.elapsedMs)}\n`
  )
}

/** Simulates one seed, and prints its details. */
async function replay(seed: number): Promise<void> {
  const { traceHash, acknowledged, rejected, stops } = await simulateTraced(seed)
  process.stdout.write(
    `seed ${seed}: ${acknowledged} appends acknowledged, ${rejected} rejected, ${stops} power cuts and kills, ` +
      `0 violations, trace ${traceHash}\n`,
  )
}
