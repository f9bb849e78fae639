/** One life of the appending process, from its start to its kill, as its parent sees it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { cleanEnvironment } from '../clean-environment.ts'
import { Violation } from '../history.ts'
import type { AppenderReport, AppenderTask } from './protocol.ts'

const APPENDER = fileURLToPath(new URL('./appender.js', import.meta.url))
/** A process that reports nothing for this time hangs. */
const PATIENCE_MS = 60_000

/** When to kill a process: a number of milliseconds after it starts to open the log, or after it has opened it. */
export interface KillMoment {
  readonly after: 'opening' | 'opened'
  readonly delayMs: number
}

/** The reports of a process until its kill. */
export interface Life {
  /** The next offset that it reported after opening the log. Null if it was killed before. */
  readonly openedAt: number | null
  /** Every record before this one was acknowledged to it, or was there when it opened the log. */
  readonly nextOffset: number
  readonly killedWhileOpening: boolean
}

/**
 * Starts a process, kills it at the given moment, and resolves when it has exited and its last report is read. Rejects
 * with a `Violation` if the process exited by itself, and with the signal's reason when aborted. The process has exited
 * in every case.
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
    failure = new Violation(`12: the process reported nothing for ${PATIENCE_MS / 1000} s`)
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
      failure = new Violation(
        `1 or 2: the log was closed at offset ${nextOffset} and opened again at ${report.nextOffset}`,
      )
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
  if (signalCode !== 'SIGKILL') throw new Violation(`12: the process exited by itself, with status ${exitCode}`)
  return { openedAt, nextOffset, killedWhileOpening: opening }
}

/** Parses a line. Null if the kill has truncated it. */
function parseReport(line: string): AppenderReport | null {
  return line.endsWith('}') ? JSON.parse(line) : null
}
