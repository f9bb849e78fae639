import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { cleanEnvironment } from '../clean-environment.ts'

// A machine that is busy with other things starts processes slowly.
vi.setConfig({ testTimeout: 60_000 })

const COMMAND = fileURLToPath(new URL('../../dist/system-calls/main.js', import.meta.url))

/** Where the command makes its temporary directories. */
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
  test('makes some calls fail and watches their order, or says that it cannot', async () => {
    const { status, stdout, stderr } = await run(['--only', 'ftruncate,rename'])
    expect(stderr).toBe('')
    expect(status).toBe(0)
    expect(await readdir(temporary)).toEqual([])
    if (stdout.startsWith('skipped: only strace can make system calls fail')) return
    const [failed, watched] = stdout.split('\n')
    expect(failed).toMatch(/^made system calls fail in \d+ runs \([1-9]\d* \w+, [1-9]\d* \w+\): .* 0 violations/)
    expect(watched).toMatch(/^watched [1-9]\d* acknowledgements and [1-9]\d* new segments: .* 0 violations$/)
  })

  test('says so where there is no strace', async () => {
    const { status, stdout, stderr } = await run([], { PATH: temporary })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(/^skipped: only strace can make system calls fail: .*ENOENT/)
  })

  test.each([
    ['--scope', 'some'],
    ['--only', 'reboot'],
  ])('refuses %s %s with status 2', async (...args) => {
    const { status, stdout } = await run(args)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
  })
})
