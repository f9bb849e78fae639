/** Spreads jobs over child processes, as many as there are cores, and gathers what each of them found. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { cleanEnvironment } from './clean-environment.ts'

/** Loaded by every worker before anything else. */
const CHEAP_PROCESS = new URL('./cheap-process.js', import.meta.url).href

/** Logs in memory are short-lived: with room for more of them, a tenth less time goes into clearing them away. */
const YOUNG_SPACE = '--max-semi-space-size=64'

/** A job that takes longer, by far the longest, waits for something that never comes. */
const JOB_LIMIT_MS = 300_000

/** What a worker sends: once when it is ready, and after each job. */
type WorkerMessage<Found> =
  | { readonly kind: 'ready' }
  | { readonly kind: 'done'; readonly found: Found }
  | { readonly kind: 'failed'; readonly message: string }

/** One kind of job: shared by the process that gives them out and the workers that do them. */
export class Pool<Job, Found> {
  readonly #script: URL
  /** The command that does a job again, and nothing else. */
  readonly replay: (job: Job) => string

  /** `script`: the worker's module, which calls `serve`. */
  constructor(script: URL, replay: (job: Job) => string) {
    this.#script = script
    this.replay = replay
  }

  /**
   * Gives every job to some worker, one at a time, and calls back with what each found. Neighbours go to the same
   * worker as far as that keeps all of them busy. Rejects with the first failure, which may be the end of a worker; all
   * workers are gone when it settles.
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
          failures.push(this.#broken(`12: after ${JOB_LIMIT_MS / 1000} s this is not over`, current))
          child.kill('SIGKILL')
        }, JOB_LIMIT_MS)
      })
      await exited
      clearTimeout(limit)
      const { exitCode, signalCode } = child
      if (exitCode === 0 && current === undefined) return
      const end = signalCode ?? `itself, with status ${exitCode}`
      failures.push(this.#broken(`12: the process ended by ${end}`, current))
    }
    await Promise.all(shares.map(work))
    if (failures.length > 0) throw new Error(failures[0])
  }

  /** What the process that did a job, if it had begun with one, can say no more. */
  #broken(what: string, job: Job | undefined): string {
    return job === undefined ? `VIOLATION ${what}` : `VIOLATION ${what}\n  replay: ${this.replay(job)}`
  }

  /** The worker's side: does each job it is given, until there are no more. */
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
