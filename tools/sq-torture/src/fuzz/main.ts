/**
 * `pnpm fuzz --cases N [--seed S]`: gives N damaged or forged logs, each drawn from its seed, to readers and writers.
 */
import { main, mustBePositive, readOptions } from '../options.ts'
import { formatCount, formatSeconds, withProgress } from '../progress.ts'
import type { Progress } from '../progress.ts'
import { Fuzzer } from './fuzz.ts'
import { fuzzJobs } from './jobs.ts'
import type { FuzzFound, FuzzJob } from './jobs.ts'

const CASES_A_JOB = 500

await main(async () => {
  const { cases, seed: firstSeed } = readOptions({ cases: 10_000, seed: 1 })
  mustBePositive({ cases })
  process.stdout.write(await withProgress((progress) => fuzzAll({ cases, firstSeed }, progress)))
})

/** Judges all cases, and resolves with a summary. */
async function fuzzAll(
  { cases, firstSeed }: { cases: number; firstSeed: number },
  progress: Progress,
): Promise<string> {
  const jobs = Array.from({ length: Math.ceil(cases / CASES_A_JOB) }, (_, index): FuzzJob => {
    const done = index * CASES_A_JOB
    return { firstSeed: firstSeed + done, cases: Math.min(CASES_A_JOB, cases - done) }
  })
  const fuzzer = await Fuzzer.create()
  const named = await fuzzer.named()
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
  const sorted = [...outcomes].toSorted(([one], [other]) => (one < other ? -1 : 1))
  const lines = sorted.map(([outcome, count]) => `${formatCount(count).padStart(9)}  ${outcome}\n`)
  const time = formatSeconds(progress.elapsedMs)
  return `${lines.join('')}judged ${named} hostile logs by name; fuzzed ${formatCount(judged)} logs from seed ${firstSeed}: 0 violations, ${time}\n`
}
