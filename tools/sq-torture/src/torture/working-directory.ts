/** Gives a command a temporary directory, and removes it unless a failure must be examined. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface WorkingDirectory {
  /** The directory to create it in. If empty, the system's directory for temporary files. */
  readonly parent: string
  readonly name: string
  /** The command that repeats the run. */
  readonly replay: string
}

/**
 * Runs `work` with a new directory and a signal that is aborted when this process is asked to end. `work` must then
 * leave no process running. The directory is kept only after a failure, and the error has its path.
 */
export async function inWorkingDirectory(
  { parent, name, replay }: WorkingDirectory,
  work: (directory: string, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const ended = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => ended.abort(new Error(`ended by ${signal}`)))
  }
  const directory = await mkdtemp(join(parent === '' ? tmpdir() : parent, `${name}-`))
  try {
    await work(directory, ended.signal)
  } catch (error) {
    if (ended.signal.aborted) await rm(directory, { recursive: true })
    if (ended.signal.aborted) throw ended.signal.reason
    const what = error instanceof Error ? error.message : String(error)
    throw new Error(`VIOLATION ${what}\n  replay: ${replay}\n  the log is kept in ${directory}`, { cause: error })
  }
  await rm(directory, { recursive: true })
}
