import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { cleanEnvironment } from '../clean-environment.ts'

// On a busy machine, starting a process takes long.
vi.setConfig({ testTimeout: 60_000 })

const COMMAND = fileURLToPath(new URL('../../dist/torture/main.js', import.meta.url))

/** The directory in which the command creates its temporary directories. */
let temporary: string

beforeEach(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'sq-torture-test-'))
})
afterEach(() => rm(temporary, { recursive: true }))

function start(...args: string[]) {
  const child = spawn(process.execPath, [COMMAND, ...args], {
    env: cleanEnvironment({ TMPDIR: temporary }),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  // The pipes close only after every child has exited.
  const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]).then(
    ([stdout, stderr]) => ({ status: child.exitCode, stdout, stderr }),
  )
  return { child, ended }
}

describe('pnpm torture', () => {
  test('a few kills lose nothing, and the command removes its files', async () => {
    const { status, stdout, stderr } = await start('--kills', '5', '--only', 'kills').ended
    expect(stderr).toBe('')
    expect(stdout).toMatch(/^killed 5 processes on 1 logs, .* records acknowledged, .* 0 lost, 0 violations/)
    expect(status).toBe(0)
    expect(await readdir(temporary)).toEqual([])
  })

  test('a command that is ended kills its processes and removes its directory', async () => {
    const { child, ended } = start('--kills', '100000', '--only', 'kills')
    await vi.waitFor(async () => expect((await readdir(temporary)).length).toBe(1), 30_000)
    await new Promise((resolve) => setTimeout(resolve, 300))
    child.kill('SIGTERM')
    expect((await ended).stderr).toBe('ended by SIGTERM\n')
    expect(await readdir(temporary)).toEqual([])
  })

  test('the command fills small disks, or says that it cannot mount them', async () => {
    const { status, stdout, stderr } = await start('--only', 'disk-full').ended
    expect(stderr).toBe('')
    const lines = stdout.trim().split('\n')
    expect(lines).toHaveLength(2)
    const filledOrSkipped = /^(filled a disk of .* 0 lost, 0 violations|skipped the full disk of .*: .+)$/
    for (const line of lines) expect(line).toMatch(filledOrSkipped)
    expect(status).toBe(0)
    expect(await readdir(temporary)).toEqual([])
  })

  test('--dir keeps the logs', async () => {
    const directory = join(temporary, 'here')
    await mkdir(directory)
    const { child, ended } = start('--kills', '100000', '--only', 'kills', '--dir', directory)
    await vi.waitFor(async () => expect((await readdir(directory)).length).toBe(1), 30_000)
    child.kill('SIGTERM')
    await ended
    expect(await readdir(directory)).toEqual([])
  })

  test.each([
    ['--kills', 'many'],
    ['--only', 'disk-empty'],
    ['--speed', '3'],
  ])('%s %s is a usage error', async (...args) => {
    const { status, stdout } = await start(...args).ended
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
  })
})
