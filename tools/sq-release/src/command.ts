/** Shared by the two commands of this package: running other programs, and ending with a message and an exit status. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'

interface Surroundings {
  readonly cwd: string
  readonly env?: NodeJS.ProcessEnv
}

export interface Outcome {
  /** Null if a signal ended the program. */
  readonly status: number | null
  /** Its output on stdout. */
  readonly output: string
  /** Its output on stdout and stderr, in the order of arrival. */
  readonly log: string
}

/** Resolves with any exit status. Rejects if the program does not exist. */
export async function run(program: string, args: readonly string[], { cwd, env }: Surroundings): Promise<Outcome> {
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  let log = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
    log += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text
  })
  await once(child, 'close')
  return { status: child.exitCode, output, log }
}

/** Resolves with the output on stdout. If the exit status is not 0, rejects with all output as the message. */
export async function outputOf(program: string, args: readonly string[], where: Surroundings): Promise<string> {
  const { status, output, log } = await run(program, args, where)
  if (status === 0) return output
  throw new Error(`${[program, ...args].join(' ')}: expected exit status 0, found ${status ?? 'a signal'}:\n${log}`)
}

/** Runs a command. Its exit status says whether it succeeded. An error is printed as its message. */
export async function main(command: () => Promise<boolean>): Promise<void> {
  try {
    if (!(await command())) process.exitCode = 1
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  }
}
