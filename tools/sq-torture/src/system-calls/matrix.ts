/** Tries every fault at every matching call, one run each, two runs at a time. */
import { join } from 'node:path'
import { makeCrashedLog } from './crashed-log.ts'
import type { Fault } from './faults.ts'
import { runWithFault } from './faulted-run.ts'

const RUNS_AT_A_TIME = 2

/** Totals over runs. */
export interface Faulted {
  runs: number
  acknowledged: number
  rejected: number
  /** The number of failures per call, by name. */
  readonly injected: Map<string, number>
}

export interface MatrixOptions {
  readonly faults: readonly Fault[]
  /** The directory of the logs. A log without a violation is removed. */
  readonly directory: string
  readonly signal: AbortSignal
  readonly onRun: (sum: Readonly<Faulted>) => void
}

/** Makes each fault strike the first call, then the second, and so on, until there is no further call. */
export async function runMatrix({ faults, directory, signal, onRun }: MatrixOptions): Promise<Faulted> {
  const sum: Faulted = { runs: 0, acknowledged: 0, rejected: 0, injected: new Map() }
  const dataDir = join(directory, 'log')
  const template = { dataDir, held: await makeCrashedLog(dataDir) }
  const stop = new AbortController()
  const stopped = AbortSignal.any([signal, stop.signal])
  const waiting = [...faults]
  const work = async (): Promise<void> => {
    for (let fault = waiting.shift(); fault !== undefined; fault = waiting.shift()) {
      let injected = Infinity
      for (let nth = 1; injected > 0; nth++) {
        const run = await explained(fault, nth, runWithFault(template, { fault, nth, signal: stopped }))
        injected = run.injected
        sum.runs++
        sum.acknowledged += run.acknowledged
        sum.rejected += run.rejected
        sum.injected.set(fault.name, (sum.injected.get(fault.name) ?? 0) + injected)
        onRun(sum)
      }
    }
  }
  await Promise.all(Array.from({ length: RUNS_AT_A_TIME }, () => work().catch((error: unknown) => stop.abort(error))))
  stopped.throwIfAborted()
  const [unhurt] = [...sum.injected].find(([, injected]) => injected === 0) ?? []
  if (unhurt !== undefined) throw new Error(`no ${unhurt} call was made to fail, so the run does not test its failure`)
  return sum
}

async function explained<T>({ name, error, forGood }: Fault, nth: number, run: Promise<T>): Promise<T> {
  try {
    return await run
  } catch (cause) {
    const what = cause instanceof Error ? cause.message : String(cause)
    const calls = `${name} number ${nth}${forGood ? ' and all later ones' : ''}`
    throw new Error(`${what}\n  with ${error} from ${calls}`, { cause })
  }
}
