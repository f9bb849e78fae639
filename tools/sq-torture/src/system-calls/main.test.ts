import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { cleanEnvironment } from '../clean-environment.ts'

// On a busy machine, starting a process takes long.
vi.setConfig({ testTimeout: 60_000 })

const COMMAND = fileURLToPath(new URL('../../dist/system-calls/main.js', import.meta.url))

/** The directory in which the command creates its temporary directories. */
let temporary: string

beforeEach(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'sq-system-calls-test-'))
})
afterEach(() => rm(temporary, { recursive: true }))

async function run(args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, [COMMAND, ...args], {
    env: cleanEnvironment({ TMPDIR: temporary, ...environment }),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { status: child.exitCode, stdout, stderr }
}

describe('pnpm system-calls', () => {
  test('the command makes some calls fail and checks their order, or says that it cannot', async () => {
    const { status, stdout, stderr } = await run(['--only', 'ftruncate,rename'])
    // On a busy machine it takes so long that it shows its progress.
    expect(stderr).toMatch(/^(\d+ runs, 0 violations, [\d.]+ s\n)*$/)
    expect(status).toBe(0)
    expect(await readdir(temporary)).toEqual([])
    if (stdout.startsWith('skipped: strace is needed to make system calls fail')) return
    const [failed, watched] = stdout.split('\n')
    expect(failed).toMatch(/^made system calls fail in \d+ runs \([1-9]\d* \w+, [1-9]\d* \w+\): .* 0 violations/)
    expect(watched).toMatch(/^watched [1-9]\d* acknowledgements and [1-9]\d* new segments: .* 0 violations$/)
  })

  test('without strace, the command says that it is skipped', async () => {
    const { status, stdout, stderr } = await run([], { PATH: temporary })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(/^skipped: strace is needed to make system calls fail: .*ENOENT/)
  })

  test.each([
    ['--scope', 'some'],
    ['--only', 'reboot'],
  ])('%s %s is a usage error', async (...args) => {
    const { status, stdout } = await run(args)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
  })
})
