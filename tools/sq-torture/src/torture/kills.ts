/** Performs the kills on several logs, a few at a time. A log is replaced by a new one after a number of kills. */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Random } from '@sq/sim'
import { TorturedLog } from './tortured-log.ts'

/** The kills per log. A log grows with every process, and is read completely after each. */
const KILLS_A_LOG = 25
const LOGS_AT_A_TIME = 3

/** Totals over kills. */
export interface Killed {
  logs: number
  kills: number
  whileOpening: number
  acknowledged: number
  tornEnds: number
  tornBytes: number
}

export interface KillOptions {
  readonly kills: number
  readonly seed: number
  /** The directory of the logs. A log without a violation is removed. */
  readonly directory: string
  readonly signal: AbortSignal
  readonly onKill: (sum: Readonly<Killed>) => void
}

/** Rejects with the first `Violation`, or when aborted. No process is left then, but the directory of the log is. */
export async function torture({ kills, seed, directory, signal, onKill }: KillOptions): Promise<Killed> {
  const sum: Killed = { logs: 0, kills: 0, whileOpening: 0, acknowledged: 0, tornEnds: 0, tornBytes: 0 }
  const seeds = new Random(seed)
  const jobs = Array.from({ length: Math.ceil(kills / KILLS_A_LOG) }, (_, index) => ({
    dataDir: join(directory, `log-${index}`),
    random: seeds.fork(),
    kills: Math.min(KILLS_A_LOG, kills - index * KILLS_A_LOG),
  }))
  const stop = new AbortController()
  const stopped = AbortSignal.any([signal, stop.signal])
  const work = async (): Promise<void> => {
    for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
      await mkdir(job.dataDir)
      const log = new TorturedLog(job.dataDir, job.random)
      for (let kill = 0; kill < job.kills; kill++) {
        const { whileOpening, acknowledged, tornBytes } = await log.kill(stopped)
        sum.kills++
        sum.whileOpening += whileOpening ? 1 : 0
        sum.acknowledged += acknowledged
        sum.tornEnds += tornBytes > 0 ? 1 : 0
        sum.tornBytes += tornBytes
        onKill(sum)
      }
      await log.finish()
      sum.logs++
      await rm(job.dataDir, { recursive: true })
    }
  }
  await Promise.all(Array.from({ length: LOGS_AT_A_TIME }, () => work().catch((error: unknown) => stop.abort(error))))
  stopped.throwIfAborted()
  return sum
}
