/** One log that cannot be looked at does not hide the others. */
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { run } from './testing/command.ts'
import type { Ended } from './testing/command.ts'
import { makeExampleLogs } from './testing/example-log.ts'

// A machine that is busy with other things starts processes slowly.
vi.setConfig({ testTimeout: 60_000 })

const NOBODY = 65_534

let place: string
beforeEach(async () => {
  place = mkdtempSync(join(tmpdir(), 'sq-wal-test-'))
  await makeExampleLogs(join(place, 'data'))
  for (const name of ['', ...readdirSync(place, { recursive: true }).map(String)]) chmodSync(join(place, name), 0o755)
})
afterEach(() => rmSync(place, { recursive: true }))

/** Modes say nothing to root. Where the command itself is out of reach for anybody else, nothing is. */
function asSomebody(...args: string[]): Promise<Ended> {
  return run(args, { place, ...(process.getuid?.() === 0 && { uid: NOBODY }) })
}

interface Bad {
  readonly name: string
  readonly log: string
  readonly make: (path: string) => void
  readonly says: RegExp
}

function moveAndLink(path: string, target: string): void {
  renameSync(path, join(place, 'moved'))
  symlinkSync(target, path)
}

const unreadable: readonly Bad[] = [
  { name: 'a topic of mode 000', log: 'audit', make: (path) => chmodSync(path, 0), says: /EACCES/ },
  { name: 'a partition of mode 000', log: 'audit/7', make: (path) => chmodSync(path, 0), says: /EACCES/ },
]
const strange: readonly Bad[] = [
  { name: 'a topic that is a link to itself', log: 'audit', make: (path) => moveAndLink(path, path), says: /symbolic link/ },
  { name: 'a topic that is a link', log: 'audit', make: (path) => moveAndLink(path, '../moved'), says: /symbolic link/ },
  { name: 'a partition that is a link', log: 'audit/7', make: (path) => moveAndLink(path, '../../moved'), says: /link/ },
]

describe.runIf(process.platform === 'linux').each([...unreadable, ...strange])('$name', ({ log, make, says }) => {
  it('is one line of ls and of verify --all on stderr, and an entry of their JSON', async () => {
    make(join(place, 'data', log))
    // Nobody can run a command that only root can reach; to root a mode is nothing.
    const canRun = (await asSomebody('--version').catch(() => null))?.status === 0
    if (!canRun && unreadable.some((bad) => bad.make === make)) {
      process.stderr.write('not as another user: the command is where only the superuser can run it\n')
      return
    }
    const command = canRun ? asSomebody : (...args: string[]) => run(args, { place })
    for (const args of [['ls', 'data'], ['verify', '--all', '-d', 'data']]) {
      const { status, stdout, stderr } = await command(...args)
      expect(status).toBe(1)
      expect(stdout).toContain('orders/0')
      expect(stdout).not.toContain('audit')
      const lines = stderr.trimEnd().split('\n')
      expect(lines).toHaveLength(1)
      expect(lines[0]).toMatch(says)
      expect(lines[0]?.startsWith(`sq-wal: ${log}: `)).toBe(true)

      const json = await command(...args, '--json')
      expect([json.status, json.stderr]).toEqual([1, ''])
      const partition = log === 'audit' ? null : 7
      const shown = JSON.parse(json.stdout)
      expect(shown).toMatchObject([{ topic: 'audit', partition, error: expect.stringMatching(says) }, { topic: 'orders' }])
    }
  })
})

it.runIf(process.platform === 'linux')('a segment that is a FIFO makes no command wait, and no other log go unseen', async () => {
  const path = join(place, 'data/audit/7/00000000000000000000.wal')
  rmSync(path, { force: true })
  execFileSync('mkfifo', [path], { env: {} })
  const listed = await run(['ls', 'data'], { place })
  expect([listed.status, listed.stderr]).toEqual([1, expect.stringMatching(/^sq-wal: audit\/7: .*is a FIFO, not a regular/)])
  expect(listed.stdout).toContain('orders/0')
  const verified = await run(['verify', '--all', '-d', 'data'], { place })
  expect([verified.status, verified.stderr]).toEqual([1, ''])
  expect(verified.stdout).toMatch(/audit\/7: 1 problem;[^]*not-a-file[^]*orders\/0: no problem/)
  for (const args of [['cat', 'data/audit/7'], ['dump', path], ['segments', 'data/audit/7']]) {
    const { status, stderr } = await run(args, { place })
    expect([args[0], status, stderr]).toEqual([args[0], 1, expect.stringContaining('is a FIFO, not a regular file')])
  }
})

it('a data directory that is a link is followed', async () => {
  mkdirSync(join(place, 'above'))
  symlinkSync('../data', join(place, 'above/link'))
  for (const args of [['ls', 'above/link'], ['verify', '--all', '-d', 'above/link'], ['cat', 'above/link/orders/0']]) {
    expect(await run(args, { place })).toMatchObject({ status: 0, stderr: '' })
  }
})
