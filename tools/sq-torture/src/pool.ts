/** Distributes jobs over child processes, one per core, and collects their results. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { cleanEnvironment } from './clean-environment.ts'

/** Every worker loads this first. */
const CHEAP_PROCESS = new URL('./cheap-process.js', import.meta.url).href

/**
 * Logs in memory are short-lived: a larger young generation saves a tenth of the time, which garbage collection takes.
 */
const YOUNG_SPACE = '--max-semi-space-size=64'

/** Much longer than any job takes. A job that exceeds it hangs. */
const JOB_LIMIT_MS = 300_000

/** The messages of a worker: one when it is ready, and one after each job. */
type WorkerMessage<Found> =
  | { readonly kind: 'ready' }
  | { readonly kind: 'done'; readonly found: Found }
  | { readonly kind: 'failed'; readonly message: string }

/** One kind of job, shared by the process that assigns jobs and by the workers that do them. */
export class Pool<Job, Found> {
  readonly #script: URL
  /** The command that repeats only this job. */
  readonly replay: (job: Job) => string

  /** `script`: the module of the worker, which calls `serve`. */
  constructor(script: URL, replay: (job: Job) => string) {
    this.#script = script
    this.replay = replay
  }

  /**
   * Assigns every job to a worker, one at a time, and calls back with each result. Adjacent jobs go to the same worker
   * as long as all workers stay busy. Rejects with the first failure, which can be the exit of a worker. All workers
   * have exited when it settles.
   */
  async run(jobs: readonly Job[], onDone: (found: Found, job: Job) => void): Promise<void> {
    const workers = Math.min(availableParallelism(), jobs.length)
    const shares = Array.from({ length: workers }, (_, worker) =>
      jobs.slice((jobs.length * worker) / workers, (jobs.length * (worker + 1)) / workers),
    )
    const failures: string[] = []
    const work = async (share: Job[]): Promise<void> => {
      const child = fork(this.#script, {
        serialization: 'advanced',
        execArgv: ['--import', CHEAP_PROCESS, YOUNG_SPACE],
        env: cleanEnvironment(),
      })
      const exited = once(child, 'exit')
      let current: Job | undefined
      let limit: NodeJS.Timeout | undefined
      child.on('message', (message: WorkerMessage<Found>) => {
        clearTimeout(limit)
        if (message.kind === 'failed') failures.push(message.message)
        if (message.kind === 'done' && current !== undefined) onDone(message.found, current)
        current = failures.length > 0 ? undefined : (share.shift() ?? longest(shares).pop())
        if (current === undefined) {
          child.disconnect()
          return
        }
        child.send({ job: current })
        limit = setTimeout(() => {
          failures.push(this.#broken(`12: the job did not end within ${JOB_LIMIT_MS / 1000} s`, current))
          child.kill('SIGKILL')
        }, JOB_LIMIT_MS)
      })
      await exited
      clearTimeout(limit)
      const { exitCode, signalCode } = child
      if (exitCode === 0 && current === undefined) return
      const end = signalCode ?? `status ${exitCode}`
      failures.push(this.#broken(`12: the process ended with ${end}`, current))
    }
    await Promise.all(shares.map(work))
    if (failures.length > 0) throw new Error(failures[0])
  }

  /** The message for a process that has exited, with the job that it was doing, if any. */
  #broken(what: string, job: Job | undefined): string {
    return job === undefined ? `VIOLATION ${what}` : `VIOLATION ${what}\n  replay: ${this.replay(job)}`
  }

  /** The worker's side: performs jobs until there are no more. */
  serve(work: (job: Job) => Promise<Found>): void {
    process.on('message', ({ job }: { job: Job }) => {
      work(job).then(
        (found) => tell({ kind: 'done', found }),
        (error: unknown) => tell({ kind: 'failed', message: error instanceof Error ? error.message : String(error) }),
      )
    })
    tell({ kind: 'ready' })
  }
}

function longest<Job>(shares: readonly Job[][]): Job[] {
  return shares.reduce((one, other) => (other.length > one.length ? other : one))
}

function tell(message: WorkerMessage<unknown>): void {
  process.send?.(message)
}
