/** After root has worked on a broker's logs, they still belong to the broker. */
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { run } from './testing/command.ts'
import type { Ended } from './testing/command.ts'

// On a busy machine, starting a process takes long.
vi.setConfig({ testTimeout: 60_000 })

const BROKER = 65_534

let place: string
let canBeBroker: boolean
beforeEach(async () => {
  place = mkdtempSync(join(tmpdir(), 'sq-wal-test-'))
  chmodSync(place, 0o755)
  mkdirSync(join(place, 'data'), { mode: 0o750 })
  chownSync(join(place, 'data'), BROKER, BROKER)
  const tried = await run(['--version'], { place, uid: BROKER }).catch(() => null)
  canBeBroker = tried?.status === 0
  if (!canBeBroker) process.stderr.write('running as root: no other user can reach the command\n')
})
afterEach(() => rmSync(place, { recursive: true }))

/** Appends as the broker, or as root if no other user can run the command. */
async function broker(log: string, ...lines: string[]): Promise<void> {
  const surroundings = { place, ...(canBeBroker && { uid: BROKER }) }
  const ended = await run(['append', log, '-d', 'data'], surroundings, `${lines.join('\n')}\n`)
  expect(ended).toMatchObject({ status: 0 })
}

async function root(...args: string[]): Promise<Ended> {
  const ended = await run([...args, '-d', 'data'], { place }, 'from root\n')
  expect([ended.stderr, ended.status]).toEqual([expect.not.stringMatching(/^sq-wal: /), 0])
  return ended
}

/** The files in the data directory that do not belong to the broker, or that others may read. */
function strays(): string[] {
  return readdirSync(join(place, 'data'), { recursive: true })
    .map(String)
    .filter((name) => {
      const stat = statSync(join(place, 'data', name))
      return stat.uid !== BROKER || stat.gid !== BROKER || (stat.mode & 0o007) !== 0
    })
}

async function values(log: string): Promise<string> {
  return (await root('cat', log, '--format', 'raw')).stdout.trimEnd().replaceAll('\n', ', ')
}

describe.runIf(process.geteuid?.() === 0)(
  "after root worked in a broker's directory, everything in it belongs to the broker",
  () => {
    it('append to a new topic', async () => {
      await root('append', 'new/0')
      expect(strays()).toEqual([])
      await broker('new/0', 'more')
      expect(await values('new/0')).toBe('from root, more')
    })

    it('append to a log of the broker', async () => {
      await broker('t/0', 'one')
      await root('append', 't/0')
      expect(strays()).toEqual([])
      await broker('t/0', 'two')
      expect(await values('t/0')).toBe('one, from root, two')
    })

    it('truncate', async () => {
      await broker('t/0', 'one', 'two', 'three')
      await root('truncate', 't/0', '--from', '1', '--yes')
      expect(strays()).toEqual([])
      await broker('t/0', 'four')
      expect(await values('t/0')).toBe('one, four')
    })

    it('repair, which quarantines a copy', async () => {
      await broker('t/0', 'one', 'two', 'three')
      const path = join(place, 'data/t/0/00000000000000000000.wal')
      chmodSync(path, 0o600)
      const bytes = readFileSync(path)
      bytes.write('TWO', bytes.indexOf('two'))
      writeFileSync(path, bytes)
      await root('repair', 't/0', '--problem', '1', '--repair', 'drop-from', '--yes')
      expect(strays()).toEqual([])
      const kept = readdirSync(join(place, 'data/t/0')).filter((name) => name.includes('quarantined'))
      expect(kept.map((name) => statSync(join(place, 'data/t/0', name)).mode & 0o777)).toEqual([0o600])
      await broker('t/0', 'four')
      expect((await values('t/0')).endsWith('four')).toBe(true)
    })
  },
)
