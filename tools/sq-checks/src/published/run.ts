/** Runs a program and waits for its end. */
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { cleanEnvironment } from '../clean-environment.ts'

export interface RunResult {
  readonly status: number | null
  /** Standard output and standard error, one after the other. */
  readonly output: string
}

/** Also resolves if the program fails. Rejects if it cannot be started. */
export async function tryRun(program: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
  const { directory, environment } = options
  const env = cleanEnvironment({ ...registryEnvironment(), ...environment })
  const child = spawn(program, args, { cwd: directory, env, stdio: ['ignore', 'pipe', 'pipe'] })
  const status = new Promise<number | null>((resolve, reject) => child.once('close', resolve).once('error', reject))
  const [ended, out, err] = await Promise.all([status, text(child.stdout), text(child.stderr)])
  return { status: ended, output: out + err }
}

/** Resolves with the output of the program. Rejects if it fails. */
export async function run(program: string, args: readonly string[], options: RunOptions): Promise<string> {
  const { status, output } = await tryRun(program, args, options)
  if (status === 0) return output
  throw new Error(`${program} ${args.join(' ')}, in ${options.directory}: status ${status}, expected 0\n${output}`)
}

interface RunOptions {
  readonly directory: string
  readonly environment?: NodeJS.ProcessEnv
}

/** The environment variables that npm and pnpm may need to reach a registry. */
const REGISTRY_VARIABLES =
  /^(npm_config_(registry|userconfig|cache|cafile)|node_extra_ca_certs|https?_proxy|no_proxy)$/i

function registryEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => REGISTRY_VARIABLES.test(name)))
}
