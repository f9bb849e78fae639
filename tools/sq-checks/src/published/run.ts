/** Runs a program to its end. */
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { cleanEnvironment } from '../clean-environment.ts'

export interface Ran {
  readonly status: number | null
  /** Standard output and standard error, one after the other. */
  readonly output: string
}

/** Resolves also where the program fails; rejects where there is none. */
export async function tryRun(program: string, args: readonly string[], options: RunOptions): Promise<Ran> {
  const { directory, environment } = options
  const env = cleanEnvironment({ ...registryEnvironment(), ...environment })
  const child = spawn(program, args, { cwd: directory, env, stdio: ['ignore', 'pipe', 'pipe'] })
  const status = new Promise<number | null>((resolve, reject) => child.once('close', resolve).once('error', reject))
  const [ended, out, err] = await Promise.all([status, text(child.stdout), text(child.stderr)])
  return { status: ended, output: out + err }
}

/** Resolves with what the program wrote; rejects where it fails. */
export async function run(program: string, args: readonly string[], options: RunOptions): Promise<string> {
  const { status, output } = await tryRun(program, args, options)
  if (status === 0) return output
  throw new Error(`${program} ${args.join(' ')}, in ${options.directory}: status ${status}, expected 0\n${output}`)
}

interface RunOptions {
  readonly directory: string
  readonly environment?: NodeJS.ProcessEnv
}

/** What npm and pnpm may need to reach a registry. */
const OF_REGISTRY = /^(npm_config_(registry|userconfig|cache|cafile)|node_extra_ca_certs|https?_proxy|no_proxy)$/i

function registryEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => OF_REGISTRY.test(name)))
}
