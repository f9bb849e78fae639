/** Runs a command with a time limit: a defect can make it hang. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cleanEnvironment } from '../clean-environment.ts'

export interface Outcome {
  /** Null if a signal ended the command. */
  readonly status: number | null
  /** Whether the command exceeded its time limit and was killed, with its children. */
  readonly hung: boolean
  /** Its output on stderr. */
  readonly errors: string
}

export async function runNode(args: readonly string[], where: { cwd: string; timeoutMs: number }): Promise<Outcome> {
  const child = spawn(process.execPath, args, {
    cwd: where.cwd,
    stdio: ['ignore', 'ignore', 'pipe'],
    env: cleanEnvironment({ NO_COLOR: '1' }),
    // In its own process group, so that its children can be killed with it.
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
