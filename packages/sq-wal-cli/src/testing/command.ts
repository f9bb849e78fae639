/** Runs the built command as a process, as users do. */
import { spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { cleanEnvironment } from './clean-environment.ts'

export const COMMAND: string = fileURLToPath(new URL('../../dist/main.js', import.meta.url))

export interface Ended {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Surroundings {
  /** The working directory. */
  readonly place: string
  readonly env?: NodeJS.ProcessEnv
  /** The user to run as. */
  readonly uid?: number
}

/** A running command, and its end. */
export interface Started {
  readonly child: ChildProcessWithoutNullStreams
  readonly ended: Promise<Ended>
}

export function start(args: readonly string[], { place, env = {}, uid }: Surroundings): Started {
  const child = spawn(process.execPath, [COMMAND, ...args], {
    cwd: place,
    env: cleanEnvironment(env),
    stdio: 'pipe',
    ...(uid === undefined ? {} : { uid, gid: uid }),
  })
  // A command that ends early does not read all of its input.
  child.stdin.on('error', () => {})
  // `close` comes only when every process has closed these pipes, so a child that is left behind is noticed.
  const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]).then(
    ([stdout, stderr]) => ({ status: child.exitCode, stdout, stderr }),
  )
  return { child, ended }
}

/** Runs it to its end, with an input. */
export function run(
  args: readonly string[],
  surroundings: Surroundings,
  input: string | Uint8Array = '',
): Promise<Ended> {
  const { child, ended } = start(args, surroundings)
  child.stdin.end(input)
  return ended
}
