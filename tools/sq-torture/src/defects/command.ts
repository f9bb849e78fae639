/** Runs a command to its end, or to the end of our patience: a defect may well make it hang. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cleanEnvironment } from '../clean-environment.ts'

export interface Outcome {
  /** Null where it was ended by a signal. */
  readonly status: number | null
  /** It did not come to an end in time, and was killed with all it had started. */
  readonly hung: boolean
  /** What it wrote to its error output. */
  readonly errors: string
}

export async function runNode(args: readonly string[], where: { cwd: string; timeoutMs: number }): Promise<Outcome> {
  const child = spawn(process.execPath, args, {
    cwd: where.cwd,
    stdio: ['ignore', 'ignore', 'pipe'],
    env: cleanEnvironment({ NO_COLOR: '1' }),
    // In a process group of its own, so that its children can be killed with it.
    detached: true,
  })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  let hung = false
  const patience = setTimeout(() => {
    hung = true
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  }, where.timeoutMs)
  await once(child, 'close')
  clearTimeout(patience)
  return { status: child.exitCode, hung, errors }
}
