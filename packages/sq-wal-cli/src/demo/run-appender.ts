/** Starts one child that appends (`appender.ts`), reads its reports, and kills it at a given record. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { SystemClock } from '@sq/sim'
import { CommandError } from '../command-error.ts'
import type { AppendReport, AppendTask } from './protocol.ts'

/** The life of one child, from its reports. */
export interface AppenderLife {
  /** The next offset of the log when the child opened it. */
  readonly from: number
  /** The bytes of the torn tail that recovery discarded. */
  readonly discardedBytes: number
  /** Every record before this one was acknowledged to the child. */
  readonly acknowledged: number
  /** From the opening of the log to the end of the process. */
  readonly elapsedMs: number
}

export interface AppenderOptions {
  /** The child is killed once every record before this one is acknowledged. Null: it may finish. */
  readonly killAt: number | null
  readonly onProgress: (acknowledged: number) => void
  /** Kills the child when aborted. */
  readonly signal: AbortSignal
}

/**
 * Resolves when the child has exited and its last report is read. Rejects with the signal's reason when aborted, and
 * with a `CommandError` when the child exited unexpectedly. The child has exited in every case.
 */
export async function runAppender(task: AppendTask, options: AppenderOptions): Promise<AppenderLife> {
  const { killAt, onProgress, signal } = options
  signal.throwIfAborted()
  const clock = new SystemClock()
  const child = fork(fileURLToPath(new URL('./appender.js', import.meta.url)), [JSON.stringify(task)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const kill = (): void => void child.kill('SIGKILL')
  signal.addEventListener('abort', kill)

  let opened: { readonly from: number; readonly discardedBytes: number; readonly atMs: number } | undefined
  let acknowledged = 0
  let closed = false
  let failure: string | undefined
  child.on('message', (report: AppendReport) => {
    if (report.kind === 'failed') failure = report.message
    else if (report.kind === 'closed') closed = true
    else {
      acknowledged = report.nextOffset
      if (report.kind === 'opened') {
        opened = { from: report.nextOffset, discardedBytes: report.discardedBytes, atMs: clock.monotonic() }
      }
      onProgress(acknowledged)
      if (killAt !== null && acknowledged >= killAt) kill()
    }
  })
  // After the process has exited, a report may still be in the pipe; `disconnect` comes after the last one.
  const [[status, killedBy]] = await Promise.all([once(child, 'exit'), once(child, 'disconnect')])
  const endedMs = clock.monotonic()
  signal.removeEventListener('abort', kill)
  signal.throwIfAborted()

  if (failure !== undefined) throw new CommandError(`the appending process failed: ${failure}`)
  const endedAsMeant = killAt === null ? closed : killedBy === 'SIGKILL'
  if (opened === undefined || !endedAsMeant) {
    throw new CommandError(`the appending process ended unexpectedly (${killedBy ?? `status ${status}`})`)
  }
  return { from: opened.from, discardedBytes: opened.discardedBytes, acknowledged, elapsedMs: endedMs - opened.atMs }
}
