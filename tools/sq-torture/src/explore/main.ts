/**
 * `pnpm explore`: stops every short workload before and after each of its I/O operations, by kills and by power cuts
 * with many outcomes, recovers what is left, and compares the result with what was acknowledged.
 */
import { main, mustBePositive, readOptions, UsageError } from '../options.ts'
import { formatCount, formatSeconds, withProgress } from '../progress.ts'
import type { Progress } from '../progress.ts'
import { FILES } from './explorer.ts'
import type { Explored } from './explorer.ts'
import { exploreJobs } from './jobs.ts'
import type { ExploreJob } from './jobs.ts'
import { sequences, STEPS } from './workloads.ts'

const MODELS = ['ext4', 'btrfs', 'readonly'] as const
/** The only step whose result depends on the model. */
const FAILING_STEP = 'sync-failure'

await main(async () => {
  const options = readOptions({ length: 3, only: '', model: '', files: '' })
  mustBePositive({ length: options.length })
  const models = MODELS.filter((model) => options.model === '' || options.model === model)
  if (models.length === 0) throw new UsageError(`--model expects one of ${MODELS.join(', ')}, found ${options.model}`)
  const kinds = FILES.filter((files) => options.files === '' || options.files === files)
  if (kinds.length === 0) throw new UsageError(`--files expects one of ${FILES.join(', ')}, found ${options.files}`)
  const jobs = byLastStep(workloads(options)).flatMap((steps) => {
    // The other models run only workloads with a failed sync, and one step fewer: everything else is the same.
    const isOther = options.only !== '' || (steps.includes(FAILING_STEP) && steps.length < options.length)
    const differing = isOther ? models : models.slice(0, 1)
    const isShort = options.only !== '' || runsOnRecycledFiles(steps)
    return kinds
      .filter((files) => files === 'new' || isShort)
      .flatMap((files) => differing.map((model): ExploreJob => ({ model, steps, files })))
  })
  const told = await withProgress((progress) => explore(jobs, progress))
  process.stdout.write(`explored ${formatCount(jobs.length)} workloads of up to ${options.length} steps, ${told}\n`)
})

/**
 * Stale bytes change what a step leaves, and not what the next one does: a single step runs on recycled files too, and
 * two common ones.
 */
function runsOnRecycledFiles(steps: readonly string[]): boolean {
  const common = new Set(STEPS.filter(({ isRare }) => isRare !== true).map(({ name }) => name))
  return steps.length === 1 || (steps.length === 2 && steps.every((name) => common.has(name)))
}

/** Explores all workloads, and resolves with a summary. */
async function explore(jobs: readonly ExploreJob[], progress: Progress): Promise<string> {
  const digests = new Set<number>()
  let moments = 0
  let images = 0
  let kills = 0
  let done = 0
  const onDone = (found: Explored) => {
    moments += found.moments
    images += found.images
    kills += found.kills
    for (const digest of found.digests) digests.add(digest)
    done++
    progress.show(() => {
      const far = `${done} of ${jobs.length} workloads, ${formatCount(digests.size)} distinct images`
      return `${far}, 0 violations, ${formatSeconds(progress.elapsedMs)}`
    })
  }
  await exploreJobs.run(jobs, onDone)
  return (
    `stopped at ${formatCount(moments)} moments: ${formatCount(images)} images left by power cuts, ` +
    `${formatCount(digests.size)} distinct ones recovered, ${formatCount(kills)} kills recovered, 0 violations, ` +
    formatSeconds(progress.elapsedMs)
  )
}

/** Workloads with the same last step leave many equal images. They go to the same worker, which recovers each once. */
function byLastStep(all: string[][]): string[][] {
  return STEPS.flatMap(({ name }) => all.filter((steps) => steps.at(-1) === name))
}

/** The names of the steps of every workload. */
function workloads({ length, only }: { length: number; only: string }): string[][] {
  if (only === '') return sequences(length).map((steps) => steps.map(({ name }) => name))
  const names = only.split(',')
  const known = STEPS.map(({ name }) => name)
  const unknown = names.find((name) => !known.includes(name))
  if (unknown !== undefined) throw new UsageError(`--only expects steps among ${known.join(', ')}, found ${unknown}`)
  return [names]
}
