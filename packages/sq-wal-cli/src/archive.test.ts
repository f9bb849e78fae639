/** Runs the commands that archive logs, on an archive in a directory. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import * as command from './testing/command.ts'
import type { Ended } from './testing/command.ts'

// On a busy machine, starting a process takes long.
vi.setConfig({ testTimeout: 60_000 })

let place: string

beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'sq-wal-test-'))
})
afterEach(() => rmSync(place, { recursive: true }))

function run(line: string, input = ''): Promise<Ended> {
  return command.run(line.split(' '), { place, env: { SQ_WAL_STORE: 'store' } }, input)
}

/** Runs a command that succeeds, and resolves with its output. */
async function done(line: string, input = ''): Promise<string> {
  const { status, stdout, stderr } = await run(line, input)
  expect([status, stderr], line).toEqual([0, ''])
  return stdout
}

/** Runs a command that fails, and resolves with its message. */
async function refused(line: string, expectedStatus = 1): Promise<string> {
  const { status, stderr } = await run(line)
  expect(status, line).toBe(expectedStatus)
  return stderr
}

/** An archive of three segments of two records each. */
async function fillArchive(): Promise<void> {
  for (const input of ['a\nb\n', 'c\nd\n', 'e\nf\n']) {
    await done('append orders/0 -d data', input)
    await done('archive push orders/0 -d data --end')
  }
}

function segment(baseOffset: number): string {
  return join(place, `store/orders/0/${String(baseOffset).padStart(20, '0')}.wal`)
}

it('a log is archived, and goes on in another data directory after the first is lost', async () => {
  await fillArchive()
  rmSync(join(place, 'data'), { recursive: true })
  expect(await done('archive restore orders/0 -d new')).toMatch(
    /^orders\/0: 3 segments restored, .*, offsets 0-5; the next record gets offset 6\n$/,
  )
  expect(await done('cat orders/0 -d new --format raw')).toBe('a\nb\nc\nd\ne\nf\n')
  await done('append orders/0 -d new', 'g\n')
  expect(await done('archive push orders/0 -d new')).toContain(
    '0 segments uploaded, 0 B; the archive ends before offset 6',
  )
  expect(await done('archive push orders/0 -d new --end')).toMatch(/^1 segment uploaded, .*; .* before offset 7\n$/)
  expect(await done('archive verify orders/0 --deep')).toMatch(/no problem; 4 segments, .*, offsets 0 up to 7\n$/)
  for (const name of readdirSync(join(place, 'store/orders/0'))) {
    expect(readFileSync(join(place, 'store/orders/0', name))).toEqual(readFileSync(join(place, 'new/orders/0', name)))
  }
})

it('an empty log begins where the archive ends, and the newest segments can be restored', async () => {
  await fillArchive()
  expect(await done('archive restore orders/0 -d empty --bytes 0')).toBe(
    'orders/0: nothing downloaded; the next record gets offset 6\n',
  )
  expect(await done('append orders/0 -d empty', 'g\n')).toContain('offset 6')
  expect(JSON.parse(await done('archive restore orders/0 -d newest --bytes 1 --json'))).toMatchObject({
    logStartOffset: 4,
    logEndOffset: 6,
    segments: 1,
  })
})

it('an archive is listed and trimmed', async () => {
  await fillArchive()
  expect(await done('archive ls')).toMatch(/^LOG +SEGMENTS +SIZE +OFFSETS\norders\/0 +3 +[\d.]+ kB +0-5\n$/)
  expect((await done('archive ls orders/0')).split('\n')).toHaveLength(5)
  expect(JSON.parse(await done('archive ls --json'))).toMatchObject([{ topic: 'orders', segments: 3, logEndOffset: 6 }])
  expect(await done('archive retain orders/0 --bytes 1')).toContain('would delete 1 segment')
  expect(await done('archive retain orders/0 --before 2 --yes')).toContain('deleted 1 segment')
  expect(await done('archive retain orders/0 --before 6 --yes')).toBe('these limits delete no segment\n')
  expect(await done('archive verify orders/0')).toContain('offsets 2 up to 6')
  expect(await refused('archive retain orders/0', 2)).toContain('retain needs a limit')
})

it('what can never be archived is refused at once', async () => {
  await done('append orders/0 -d data', 'a\n')
  writeFileSync(join(place, 'file'), '')
  expect(await refused('archive push orders/0 -d data --end --store file')).toMatch(
    /^sq-wal: cannot open the archive in .*file: it is not a directory\n$/,
  )
  expect(await refused('archive push orders/0 -d data --end --store file/below')).toContain('ENOTDIR')
  mkdirSync(join(place, 'store'))
  writeFileSync(join(place, 'store/orders'), '')
  expect(await refused('archive push orders/0 -d data --end')).toMatch(
    /could not store "orders\/0\/.*": E(NOTDIR|EXIST)/,
  )
})

it('a log that does not continue the archive is refused, and nothing is uploaded', async () => {
  await fillArchive()
  await done('append orders/0 -d another', 'other\n')
  const message = await refused('archive push orders/0 -d another --end')
  expect(message).toContain('the archive ends at offset 6, the log has offsets 0 to 1')
  expect(await done('archive verify orders/0')).toContain('3 segments')
  expect(await refused('archive restore orders/0 -d another')).toContain('EEXIST: something is there already')
})

it('damage in an archive is reported, and such a log is not restored', async () => {
  await fillArchive()
  unlinkSync(segment(2))
  const { status, stdout } = await run('archive verify orders/0')
  expect([status, stdout]).toEqual([1, expect.stringContaining('missing: the offsets from 2 up to 4')])
  truncateSync(segment(4), 100)
  const damaged = await run('archive verify orders/0')
  expect([damaged.status, damaged.stdout]).toEqual([1, expect.stringContaining('damaged: the object')])
  expect(await refused('archive restore orders/0 -d new')).toContain('is not a whole segment')
  expect(JSON.parse((await run('archive verify orders/0 --json')).stdout)).toMatchObject({
    isSound: false,
    damaged: [{ key: 'orders/0/00000000000000000004.wal' }],
  })
})

it('an archive that is not there, not named or empty is told', async () => {
  expect(await refused('archive ls')).toContain('cannot open the archive in store: ENOENT')
  expect(await refused('archive ls --store http://x', 2)).toContain('expected an archive as a directory or s3://')
  expect(await refused('archive ls --store s3://', 2)).toContain('does not name a bucket')
  const unnamed = await command.run(['archive', 'ls'], { place })
  expect([unnamed.status, unnamed.stderr]).toEqual([2, expect.stringContaining('name the archive with --store')])
  expect(await refused('archive push orders/0 -d data')).toContain('there is no log in data/orders/0')
  expect(await refused('archive ls ../0', 2)).toContain('expected a log as TOPIC/PARTITION')
  await fillArchive()
  expect(await refused('archive verify orders/1')).toContain('there is no log orders/1 in the archive')
  expect(await refused('archive restore orders/1 -d new')).toBe('sq-wal: there is no log orders/1 in the archive\n')
})
