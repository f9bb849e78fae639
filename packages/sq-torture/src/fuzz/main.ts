/** `pnpm fuzz --cases N [--seed S]`: puts N damaged or forged logs, each from its seed, before reader and writer. */
import { main, readOptions } from '../options.ts'
import { formatCount, formatSeconds, Progress } from '../progress.ts'
import { fuzzJobs } from './jobs.ts'
import type { FuzzFound, FuzzJob } from './jobs.ts'

const CASES_A_JOB = 500

await main(async () => {
  const { cases, seed: firstSeed } = readOptions({ cases: 10_000, seed: 1 })
  const progress = new Progress()
  const jobs = Array.from({ length: Math.ceil(cases / CASES_A_JOB) }, (_, index): FuzzJob => {
    const done = index * CASES_A_JOB
    return { firstSeed: firstSeed + done, cases: Math.min(CASES_A_JOB, cases - done) }
  })
  const outcomes = new Map<string, number>()
  let judged = 0
  const onDone = (found: FuzzFound, job: FuzzJob) => {
    judged += job.cases
    for (const [outcome, count] of Object.entries(found)) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + count)
    progress.show(() => {
      return `${formatCount(judged)} of ${formatCount(cases)} cases, 0 violations, ${formatSeconds(progress.elapsedMs)}`
    })
  }
  await fuzzJobs.run(jobs, onDone)
  progress.clear()
  for (const [outcome, count] of [...outcomes].toSorted(([one], [other]) => (one < other ? -1 : 1))) {
    process.stdout.write(`${formatCount(count).padStart(9)}  ${outcome}\n`)
  }
  process.stdout.write(
    `fuzzed ${formatCount(judged)} logs from seed ${firstSeed}: 0 violations, ${formatSeconds(progress.elapsedMs)}\n`,
  )
})
