/** The process that explores: one workload after another, keeping what it knows of the images it has met. */
import { Violation } from '../history.ts'
import { Explorer } from './explorer.ts'
import { exploreJobs } from './jobs.ts'
import { STEPS } from './workloads.ts'

const explorer = new Explorer()

exploreJobs.serve(async ({ model, steps }) => {
  try {
    return await explorer.explore(
      steps.map((name) => STEPS.find((step) => step.name === name) ?? unknownStep(name)),
      model,
    )
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error)
    const replay = `pnpm explore --only ${steps.join(',')} --model ${model}`
    throw new Violation(`VIOLATION ${what}\n  replay: ${replay}`, { cause: error })
  }
})

function unknownStep(name: string): never {
  throw new Error(`no step is called ${name}`)
}
