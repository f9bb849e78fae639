/** The process that explores one workload after another, and remembers the images that it has met. */
import { Explorer } from './explorer.ts'
import { exploreJobs } from './jobs.ts'
import { STEPS } from './workloads.ts'

const explorer = new Explorer()

exploreJobs.serve(async (job) => {
  try {
    return await explorer.explore(
      job.steps.map((name) => STEPS.find((step) => step.name === name) ?? unknownStep(name)),
      { failedSync: job.model, files: job.files },
    )
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error)
    throw new Error(`VIOLATION ${what}\n  replay: ${exploreJobs.replay(job)}`, { cause: error })
  }
})

function unknownStep(name: string): never {
  throw new Error(`there is no step ${name}`)
}
