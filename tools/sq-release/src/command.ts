/** What the two commands of this package stand on: they run other programs, and end with a message and a status. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'

interface Surroundings {
  readonly cwd: string
  readonly env?: NodeJS.ProcessEnv
}

export interface Outcome {
  /** Null where a signal ended it. */
  readonly status: number | null
  /** What it wrote to its standard output. */
  readonly output: string
  /** What it wrote to both of its outputs, in the order in which it arrived. */
  readonly log: string
}

/** Resolves whatever the exit status is. Rejects where there is no such program. */
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

/** Resolves with the standard output. Rejects with all that was printed, unless the program ends with status 0. */
export async function outputOf(program: string, args: readonly string[], where: Surroundings): Promise<string> {
  const { status, output, log } = await run(program, args, where)
  if (status === 0) return output
  throw new Error(`${[program, ...args].join(' ')}: ended with ${status ?? 'a signal'}, not with 0:\n${log}`)
}

/** Runs a command, whose exit status tells whether it succeeds. What it throws is told by its message alone. */
export async function main(command: () => Promise<boolean>): Promise<void> {
  try {
    if (!(await command())) process.exitCode = 1
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  }
}
