/** One life of the process that appends, as its parent sees it: from its start to the moment it is killed. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { cleanEnvironment } from '../clean-environment.ts'
import { Violation } from '../history.ts'
import type { AppenderReport, AppenderTask } from './protocol.ts'

const APPENDER = fileURLToPath(new URL('./appender.js', import.meta.url))
/** A process that neither dies nor gets on within this time hangs. */
const PATIENCE_MS = 60_000

/** When a process is killed: so many milliseconds after it begins to open the log, or after it has opened it. */
export interface KillMoment {
  readonly after: 'opening' | 'opened'
  readonly delayMs: number
}

/** What a process had said when it was killed. */
export interface Life {
  /** The next offset it found when it opened the log; null where it was killed before it had said so. */
  readonly openedAt: number | null
  /** Every record below this one was acknowledged to it, or there when it opened the log. */
  readonly nextOffset: number
  readonly killedWhileOpening: boolean
}

/**
 * Starts a process, kills it when the moment has come, and resolves when it is gone and its last word is read. Rejects
 * with a `Violation` where it ended by itself, and with the signal's reason when aborted; it is gone then, too.
 */
export async function liveUntilKilled(
  task: AppenderTask,
  { after, delayMs, signal }: KillMoment & { signal: AbortSignal },
): Promise<Life> {
  signal.throwIfAborted()
  const child = spawn(process.execPath, [APPENDER, JSON.stringify(task)], {
    env: cleanEnvironment(),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const kill = (): void => void child.kill('SIGKILL')
  signal.addEventListener('abort', kill)
  let failure: Error | undefined
  const patience = setTimeout(() => {
    failure = new Violation(`12: it did nothing that could be seen for ${PATIENCE_MS / 1000} s`)
    kill()
  }, PATIENCE_MS)
  let death: NodeJS.Timeout | undefined

  let openedAt: number | null = null
  let nextOffset = 0
  let opening = true
  createInterface({ input: child.stdout }).on('line', (line) => {
    const report = parseReport(line)
    if (report === null) return
    if (report.kind === after) death ??= setTimeout(kill, delayMs)
    opening = report.kind === 'opening'
    if (report.kind === 'failed') failure = new Error(report.message)
    if (report.kind === 'acknowledged') nextOffset = report.nextOffset
    if (report.kind !== 'opened') return
    if (openedAt !== null && report.nextOffset !== nextOffset) {
      failure = new Violation(`1 or 2: opened again at offset ${report.nextOffset}, closed at ${nextOffset}`)
    }
    openedAt ??= report.nextOffset
    nextOffset = report.nextOffset
  })
  await once(child, 'close')
  clearTimeout(patience)
  clearTimeout(death)
  signal.removeEventListener('abort', kill)
  signal.throwIfAborted()

  if (failure !== undefined) throw failure
  const { signalCode, exitCode } = child
  if (signalCode !== 'SIGKILL') throw new Violation(`12: the process ended by itself, with status ${exitCode}`)
  return { openedAt, nextOffset, killedWhileOpening: opening }
}

/** A line; null for one that was cut off by the kill. */
function parseReport(line: string): AppenderReport | null {
  return line.endsWith('}') ? JSON.parse(line) : null
}
