/** The commands that read change nothing and need no write permission. */
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { run } from './testing/command.ts'
import { makeExampleLogs } from './testing/example-log.ts'

// On a busy machine, starting a process takes long.
vi.setConfig({ testTimeout: 30_000 })

/** A user that owns nothing. Root runs the command as this user, since root can write everywhere. */
const NOBODY = 65_534

let place: string
let uid: number | undefined
let isReadOnly = true

beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), 'sq-wal-test-'))
  await makeExampleLogs(join(place, 'data'))
  for (const path of everything()) chmodSync(path, statSync(path).isDirectory() ? 0o555 : 0o444)
  uid = process.getuid?.() === 0 ? NOBODY : undefined
  // The command can be in a directory that only root may enter.
  const canRun = await run(['--version'], { place, ...(uid === undefined ? {} : { uid }) }).catch(() => null)
  if (canRun?.status !== 0) {
    process.stderr.write('running as root: no other user can reach the command\n')
    uid = undefined
    isReadOnly = false
  }
})
afterAll(() => {
  for (const path of everything().toReversed()) if (statSync(path).isDirectory()) chmodSync(path, 0o755)
  rmSync(place, { recursive: true })
})

/** A directory and everything in it, parents first. */
function everything(): string[] {
  return [
    place,
    ...readdirSync(place, { recursive: true })
      .map((name) => join(place, String(name)))
      .toSorted(),
  ]
}

function state(): unknown[] {
  return everything().map((path) => {
    const { mode, size, mtimeMs, ctimeMs } = statSync(path)
    return [path, mode, size, mtimeMs, ctimeMs, statSync(path).isFile() ? readFileSync(path, 'base64') : null]
  })
}

it.each([
  ['ls', 'data'],
  ['segments', 'data/orders/0'],
  ['cat', 'data/orders/0'],
  ['cat', 'data/orders/0', '--from', '2026-11-22T20:05Z'],
  ['tail', 'data/orders/0'],
  ['dump', 'data/orders/0/00000000000000000000.wal'],
  ['verify', 'data/orders/0'],
  ['verify', '--all', '-d', 'data'],
  ['report', 'data/orders/0', '-o', '-'],
  ['repair', 'data/orders/0'],
  ['retain', 'data/orders/0', '--before', '8'],
  ['truncate', 'data/orders/0', '--from', '8'],
])('%s %s %s %s, in a directory that cannot be written to', async (...args) => {
  const before = state()
  const words = args.filter((word) => word !== undefined)
  expect(await run(words, { place, ...(uid === undefined ? {} : { uid }) })).toMatchObject({ status: 0, stderr: '' })
  expect(state()).toEqual(before)
})

it('append fails in a read-only directory', async (context) => {
  if (!isReadOnly) context.skip('the superuser may write anywhere')
  const { status, stderr } = await run(
    ['append', 'data/orders/0'],
    { place, ...(uid === undefined ? {} : { uid }) },
    'a',
  )
  expect([status, stderr]).toEqual([1, expect.stringMatching(/^sq-wal: .*EACCES.*\n$/)])
})
