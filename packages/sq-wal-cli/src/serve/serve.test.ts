/** The command as a process: `sq-wal serve`. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { run, start } from '../testing/command.ts'
import type { Started } from '../testing/command.ts'
import { makeExampleLogs, openExample } from '../testing/example-log.ts'
import type { LogsData } from './live-data.ts'

// On a busy machine, starting a process takes long.
vi.setConfig({ testTimeout: 60_000 })

let place: string

beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), 'sq-wal-test-'))
  await makeExampleLogs(join(place, 'data'))
})
afterAll(() => rmSync(place, { recursive: true }))

/** A server, and the address that it prints. */
async function served(...args: readonly string[]): Promise<Started & { address: string }> {
  const started = start(['serve', '-d', 'data', ...args], { place })
  const [line] = (await once(started.child.stdout, 'data')) as [Buffer]
  return { ...started, address: line.toString().trim() }
}

test('serve prints the address of a page on the loopback interface, and ends with status 0 on SIGINT', async () => {
  const { child, ended, address } = await served()
  expect(address).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/[\w-]{24}\/$/)
  for (const [name, type] of [
    ['', 'text/html'],
    ['live.js', 'text/javascript'],
    ['page.css', 'text/css'],
  ] as const) {
    const response = await fetch(address + name)
    expect([response.status, response.headers.get('content-type')]).toEqual([200, `${type}; charset=utf-8`])
    expect(await response.text()).not.toContain('http://example')
  }
  child.kill('SIGINT')
  expect(await ended).toMatchObject({ status: 0, stderr: '' })
})

test.runIf(process.platform === 'linux')('the list says which process writes a log', async () => {
  const { child, ended, address } = await served()
  const writer = await openExample(join(place, 'data'), 'orders', 0)
  const held = (await (await fetch(`${address}api/logs`)).json()) as LogsData
  await writer.close()
  const free = (await (await fetch(`${address}api/logs`)).json()) as LogsData
  child.kill()
  await ended
  expect(held.logs).toMatchObject([{ holder: 'free' }, { holder: 'held', holderPid: process.pid }])
  expect(free.logs).toMatchObject([{ holder: 'free' }, { holder: 'free' }])
  expect(free.freeBytes).toBeGreaterThan(0)
})

test('an address that is in use is refused', async () => {
  const { child, ended, address } = await served()
  const { port } = new URL(address)
  expect(await run(['serve', '-d', 'data', '--listen', `127.0.0.1:${port}`], { place })).toEqual({
    status: 1,
    stdout: '',
    stderr: expect.stringMatching(/^sq-wal: cannot listen on 127\.0\.0\.1:\d+: .*EADDRINUSE/),
  })
  child.kill()
  await ended
})

test.each([
  [['--listen', 'nowhere'], 2, /Expected HOST:PORT/],
  [['--listen', '127.0.0.1:99999'], 2, /Expected HOST:PORT/],
  [['-d', 'none'], 1, /none/],
])('serve %j is refused', async (args, status, message) => {
  const ended = await run(['serve', ...args], { place })
  expect([ended.status, ended.stdout]).toEqual([status, ''])
  expect(ended.stderr).toMatch(message)
})
