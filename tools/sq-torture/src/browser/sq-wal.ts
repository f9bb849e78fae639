/** Runs the command `sq-wal`: what it writes into a file, and what it serves. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { cleanEnvironment } from '../clean-environment.ts'

const COMMAND = fileURLToPath(new URL('dist/main.js', import.meta.resolve('@sq/wal-cli/package.json')))

/** Resolves with the exit status. */
export async function sqWal(args: readonly string[], cwd: string): Promise<number | null> {
  const child = spawn(process.execPath, [COMMAND, ...args], { cwd, env: cleanEnvironment(), stdio: ['ignore', 1, 2] })
  await once(child, 'close')
  return child.exitCode
}

/** A running `sq-wal serve`. */
export interface Served {
  readonly address: string
  close(): Promise<void>
}

export async function serve(dataDir: string, cwd: string): Promise<Served> {
  const child = spawn(process.execPath, [COMMAND, 'serve', '-d', dataDir], {
    cwd,
    env: cleanEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = once(child, 'close')
  const errors = text(child.stderr)
  const first: unknown = await Promise.race([once(child.stdout, 'data').then(([line]: unknown[]) => line), ended])
  if (!Buffer.isBuffer(first)) throw new Error(`sq-wal serve ended: ${await errors}`)
  return {
    address: first.toString().trim(),
    async close() {
      child.kill()
      await ended
    },
  }
}
