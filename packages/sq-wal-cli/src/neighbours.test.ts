/** A log that cannot be read does not hide the others. */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { run } from './testing/command.ts'
import type { Ended } from './testing/command.ts'
import { makeExampleLogs } from './testing/example-log.ts'

// On a busy machine, starting a process takes long.
vi.setConfig({ testTimeout: 60_000 })

const NOBODY = 65_534

let place: string
beforeEach(async () => {
  place = mkdtempSync(join(tmpdir(), 'sq-wal-test-'))
  await makeExampleLogs(join(place, 'data'))
  for (const name of ['', ...readdirSync(place, { recursive: true }).map(String)]) chmodSync(join(place, name), 0o755)
})
afterEach(() => rmSync(place, { recursive: true }))

/** Root ignores file modes, so the command runs as another user if that user can reach it. */
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
  {
    name: 'a topic that is a link to itself',
    log: 'audit',
    make: (path) => moveAndLink(path, path),
    says: /symbolic link/,
  },
  {
    name: 'a topic that is a link',
    log: 'audit',
    make: (path) => moveAndLink(path, '../moved'),
    says: /symbolic link/,
  },
  {
    name: 'a partition that is a link',
    log: 'audit/7',
    make: (path) => moveAndLink(path, '../../moved'),
    says: /link/,
  },
]

describe.runIf(process.platform === 'linux').each([...unreadable, ...strange])('$name', ({ log, make, says }) => {
  it('ls and verify --all report it in one line on stderr, or as an entry of their JSON', async () => {
    make(join(place, 'data', log))
    // Only root can reach the command, and root ignores file modes.
    const canRun = (await asSomebody('--version').catch(() => null))?.status === 0
    if (!canRun && unreadable.some((bad) => bad.make === make)) {
      process.stderr.write('running as root: no other user can reach the command\n')
      return
    }
    const command = canRun ? asSomebody : (...args: string[]) => run(args, { place })
    for (const args of [
      ['ls', 'data'],
      ['verify', '--all', '-d', 'data'],
    ]) {
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
      expect(shown).toMatchObject([
        { topic: 'audit', partition, error: expect.stringMatching(says) },
        { topic: 'orders' },
      ])
    }
  })
})

it.runIf(process.platform === 'linux')(
  'no command waits for a segment that is a FIFO, and the other logs are shown',
  async () => {
    const path = join(place, 'data/audit/7/00000000000000000000.wal')
    rmSync(path, { force: true })
    execFileSync('mkfifo', [path], { env: {} })
    const listed = await run(['ls', 'data'], { place })
    expect([listed.status, listed.stderr]).toEqual([
      1,
      expect.stringMatching(/^sq-wal: audit\/7: .*it is a FIFO, not a regular/),
    ])
    expect(listed.stdout).toContain('orders/0')
    const verified = await run(['verify', '--all', '-d', 'data'], { place })
    expect([verified.status, verified.stderr]).toEqual([1, ''])
    expect(verified.stdout).toMatch(/audit\/7: 1 problem;[^]*not-a-file[^]*orders\/0: no problem/)
    for (const args of [
      ['cat', 'data/audit/7'],
      ['dump', path],
      ['segments', 'data/audit/7'],
    ]) {
      const { status, stderr } = await run(args, { place })
      expect([args[0], status, stderr]).toEqual([
        args[0],
        1,
        expect.stringContaining('it is a FIFO, not a regular file'),
      ])
    }
  },
)

it.runIf(process.platform === 'linux').each([
  ['a FIFO', (path: string) => execFileSync('mkfifo', [path], { env: {} })],
  ['a symbolic link', (path: string) => symlinkSync('nowhere', path)],
  ['a directory', (path: string) => mkdirSync(path)],
])('the tables of verify and repair say that %s is not a regular file, and repeat no path', async (kind, make) => {
  const path = join(place, 'data/audit/7/00000000000000000000.wal')
  rmSync(path, { force: true })
  make(path)
  for (const name of ['verify', 'repair']) {
    const { stdout } = await run([name, 'data/audit/7'], { place })
    expect(stdout).toMatch(new RegExp(`not-a-file +0{20}\\.wal .* it is ${kind}, not a regular file\\n`))
    expect(stdout).not.toContain(place)
  }
})

it('dump refuses a link and says what to give instead', async () => {
  symlinkSync('data/orders/0/00000000000000000000.wal', join(place, 'link.wal'))
  const told =
    'cannot open link.wal: it is a symbolic link, and links are not followed; give the path of the file itself'
  for (const path of ['link.wal', join(place, 'link.wal')]) {
    expect(await run(['dump', path], { place })).toEqual({ status: 1, stdout: '', stderr: `sq-wal: ${told}\n` })
  }
})

it('a link to a file or to nothing in a data directory is ignored', async () => {
  writeFileSync(join(place, 'data/notes.txt'), '')
  symlinkSync('notes.txt', join(place, 'data/latest'))
  symlinkSync('nowhere', join(place, 'data/orders/9'))
  for (const args of [
    ['ls', 'data'],
    ['verify', '--all', '-d', 'data'],
  ]) {
    expect(await run(args, { place })).toMatchObject({ status: 0, stderr: '' })
  }
})

it('a path that contains the working directory further inside is shown whole', async () => {
  const outside = mkdtempSync(join(tmpdir(), 'sq-wal-outside-'))
  const dataDir = join(outside, place)
  try {
    cpSync(join(place, 'data'), dataDir, { recursive: true })
    const path = join(dataDir, 'orders/0/00000000000000000000.wal')
    const { stdout } = await run(['segments', 'orders/0', '-d', dataDir, '--json'], { place })
    expect(JSON.parse(stdout)).toMatchObject([{ path }, {}, {}])
    const missing = await run(['verify', 'none/0', '-d', dataDir], { place })
    expect(missing.stderr).toContain(`there is no log in ${join(dataDir, 'none/0')} `)
    writeFileSync(path, 'damaged')
    const verified = await run(['verify', 'orders/0', '-d', dataDir, '--json'], { place })
    expect(JSON.parse(verified.stdout)).toMatchObject({ problems: [{ path }] })
  } finally {
    rmSync(outside, { recursive: true })
  }
})

it('a data directory that is a link is followed', async () => {
  mkdirSync(join(place, 'above'))
  symlinkSync('../data', join(place, 'above/link'))
  for (const args of [
    ['ls', 'above/link'],
    ['verify', '--all', '-d', 'above/link'],
    ['cat', 'above/link/orders/0'],
  ]) {
    expect(await run(args, { place })).toMatchObject({ status: 0, stderr: '' })
  }
})
