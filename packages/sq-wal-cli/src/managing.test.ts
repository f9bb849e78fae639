/** The commands that verify, repair and take away, run as processes; what they write is compared with kept files. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ManualClock, NodeFileSystem } from '@sq/sim'
import { WalWriter } from '@sq/storage'
import * as command from './testing/command.ts'
import type { Ended } from './testing/command.ts'
import { makeExampleLogs, openExample } from './testing/example-log.ts'

// A machine that is busy with other things starts processes slowly.
vi.setConfig({ testTimeout: 30_000 })

const FIRST = 'data/orders/0/00000000000000000000.wal'
const SECOND = 'data/orders/0/00000000000000000004.wal'

const ADVICE = '("sq-wal ls" lists the logs that are there; --data-dir or $SQ_WAL_DIR says where)'

let place: string

beforeEach(async () => {
  place = mkdtempSync(join(tmpdir(), 'sq-wal-test-'))
  await makeExampleLogs(join(place, 'data'))
})
afterEach(() => rmSync(place, { recursive: true }))

function run(...args: string[]): Promise<Ended> {
  return command.run(args, { place })
}

function expected(name: string): string {
  return fileURLToPath(new URL(`testing/expected/${name}`, import.meta.url))
}

/** Changes a byte of a file: at a position, or the first of a text in it. */
function damage(path: string, at: number | string): void {
  const content = readFileSync(join(place, path))
  const position = typeof at === 'number' ? at : content.indexOf(at)
  content[position] = (content[position] ?? 0) ^ 0xff
  writeFileSync(join(place, path), content)
}

/** Every file below the data directory, as it stands there. */
function contents(): Record<string, string> {
  const names = readdirSync(join(place, 'data'), { recursive: true }).map(String)
  const files = names.filter((name) => statSync(join(place, 'data', name)).isFile()).toSorted()
  return Object.fromEntries(files.map((name) => [name, readFileSync(join(place, 'data', name), 'base64')]))
}

/** The values of the log, one to a line. */
async function values(): Promise<string[]> {
  const { stdout } = await run('cat', 'data/orders/0', '--format', 'raw')
  return stdout.trimEnd().split('\n')
}

describe('verify', () => {
  it.each([
    ['verify.txt', ['verify', 'orders/0', '-d', 'data'], 0],
    ['verify-all.txt', ['verify', '--all', '-d', 'data'], 0],
    ['verify.json', ['verify', 'data/orders/0', '--json'], 0],
  ])('%s', async (file, args, status) => {
    const before = contents()
    const ended = await run(...args)
    expect([ended.stderr, ended.status]).toEqual(['', status])
    await expect(ended.stdout).toMatchFileSnapshot(expected(file))
    expect(contents()).toEqual(before)
  })

  it('tells of damage, with status 1', async () => {
    damage(FIRST, 'order 2')
    damage(SECOND, 10)
    const before = contents()
    const { status, stdout, stderr } = await run('verify', 'orders/0', '-d', 'data')
    expect([stderr, status]).toEqual(['', 1])
    await expect(stdout).toMatchFileSnapshot(expected('verify-damaged.txt'))
    const all = await run('verify', '--all', '-d', 'data', '--json')
    expect(all.status).toBe(1)
    expect(JSON.parse(all.stdout)).toMatchObject([{ topic: 'audit', problems: [] }, { problems: [{}, {}] }])
    expect(contents()).toEqual(before)
  })
})

describe('repair', () => {
  it('shows what could be done, and does nothing', async () => {
    damage(FIRST, 'order 2')
    const before = contents()
    const { status, stdout, stderr } = await run('repair', 'orders/0', '-d', 'data')
    expect([stderr, status]).toEqual(['', 1])
    await expect(stdout).toMatchFileSnapshot(expected('repair.txt'))
    expect(contents()).toEqual(before)
  })

  it('restores what costs nothing, with --yes alone', async () => {
    const before = contents()
    damage(FIRST, 150)
    const { status, stdout, stderr } = await run('repair', 'data/orders/0', '--yes')
    expect([stderr, status]).toEqual(['', 0])
    expect(stdout).toBe('orders/0: restore done; the log has 0-13\nno problem is left\n')
    expect(contents()).toEqual(before)
    const { stdout: json } = await run('repair', 'data/orders/0', '--yes', '--json')
    expect(JSON.parse(json)).toEqual({ repaired: null, repair: null, quarantined: [], problems: [] })
    expect(await run('repair', 'data/orders/0', '--yes')).toEqual({
      status: 0,
      stdout: 'orders/0: no problem, so there is nothing to repair\n',
      stderr: '',
    })
  })

  it('gives up records only where the repair is named, and keeps them beside', async () => {
    damage(FIRST, 'order 2')
    const before = contents()
    const refused = await run('repair', 'data/orders/0', '--yes')
    expect(refused).toMatchObject({
      status: 2,
      stdout: '',
      stderr: expect.stringContaining('choose one with --repair: '),
    })
    expect(contents()).toEqual(before)
    const { status, stdout } = await run('repair', 'data/orders/0', '--yes', '--repair', 'drop-through')
    expect(status).toBe(0)
    await expect(stdout).toMatchFileSnapshot(expected('repair-done.txt'))
    expect((await values())[0]).toBe('order 4')
    expect(contents()['orders/0/00000000000000000000.wal.quarantined-1']).toBe(
      before['orders/0/00000000000000000000.wal'],
    )
  })

  it('does one repair, and tells that more problems are left', async () => {
    damage(FIRST, 150)
    damage(SECOND, 150)
    const { status, stdout } = await run('repair', 'data/orders/0', '--problem', '2', '--yes', '--json')
    expect(status).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({ repair: 'restore', quarantined: [], problems: [{ path: FIRST }] })
  })

  it.each([
    [['--yes', '--problem', '3'], 'there is no problem 3: the log has 1'],
    [['--yes', '--repair', 'restore'], 'problem 1 does not offer restore, but drop-through, drop-from'],
  ])('misuse: %j', async (args, message) => {
    damage(FIRST, 'order 2')
    expect(await run('repair', 'data/orders/0', ...args)).toEqual({
      status: 2,
      stdout: '',
      stderr: `sq-wal: ${message}\n`,
    })
  })
})

describe('retain', () => {
  it.each([
    ['retain.txt', ['--before', '8']],
    ['retain-time.txt', ['--before', '2026-11-22T20:04Z']],
    ['retain-none.txt', ['--bytes', '1GB']],
  ])('shows what it would delete: %s', async (file, args) => {
    const before = contents()
    const { status, stdout, stderr } = await run('retain', 'orders/0', '-d', 'data', ...args)
    expect([stderr, status]).toEqual(['', 0])
    await expect(stdout).toMatchFileSnapshot(expected(file))
    expect(contents()).toEqual(before)
  })

  it.each([
    [['--bytes', '9kB'], 'order 4'],
    [['--age', '1s', '--trust-clock'], ''],
    [['--before', '7'], 'order 4'],
    [['--age', '99999w', '--bytes', '1', '--trust-clock'], 'order 8'],
  ])('deletes it with --yes: %j', async (args, first) => {
    const { status, stdout } = await run('retain', 'data/orders/0', ...args, '--yes')
    const told =
      /\ndeleted \d segments? with \d+ records, [\d.]+ kB, timestamps 2026-11-22 20:00:00.000Z to 2026-11-22 20:\d\d:00.000Z\n(.* is kept: .*\n)?$/
    expect([status, stdout]).toEqual([0, expect.stringMatching(told)])
    expect((await values())[0]).toBe(first)
  })

  // The clock of a process is the machine's, so these logs are as old as they have to be.
  const NOW_MS = Date.now()
  const DAY_MS = 86_400_000

  /** Makes the log `aged/0`: a segment for each, created so many days ago and with a record stamped so many days ago. */
  async function makeAgedLog(segments: readonly { created: number; stamped: number }[]): Promise<void> {
    for (const { created, stamped } of segments) {
      const clock = new ManualClock(NOW_MS - created * DAY_MS)
      await using writer = await WalWriter.open(new NodeFileSystem(), { dataDir: join(place, 'data') }, 'aged', 0, {
        clock,
      })
      await writer.append(null, Buffer.from(`${stamped} days ago`), [], NOW_MS - stamped * DAY_MS)
      await writer.closeActiveSegment()
    }
  }

  it('deletes by the age of records, also the last ones', async () => {
    await makeAgedLog([
      { created: 10, stamped: 10 },
      { created: 8, stamped: 8 },
    ])
    expect((await run('retain', 'aged/0', '-d', 'data', '--age', '9d')).stdout).toMatch(
      /\nwould delete 1 segment with 1 record/,
    )
    expect((await run('retain', 'aged/0', '-d', 'data', '--age', '7d', '--yes')).stdout).toMatch(
      /\ndeleted 2 segments with 2 records/,
    )
    expect((await run('cat', 'aged/0', '-d', 'data')).stdout).toBe('')
  })

  it('tells what holds a segment back, with --yes too', async () => {
    await makeAgedLog([
      { created: 10, stamped: 10 },
      { created: 9, stamped: -3650.5 },
      { created: 8, stamped: 8 },
    ])
    const held =
      /^0{19}1\.wal is kept: it has offsets 1-1, and its largest timestamp is \d{4}-\S+ \S+Z, 3,650 days ahead of the clock; it holds back 1 later segment that the limits let go; --before 2 lets it go$/m
    for (const [args, what] of [
      [[], 'would delete'],
      [['--yes'], 'deleted'],
      [[], 'no segment is let go'],
    ] as const) {
      const { status, stdout } = await run('retain', 'aged/0', '-d', 'data', '--age', '7d', ...args)
      expect([status, stdout]).toEqual([0, expect.stringMatching(held)])
      expect(stdout).toContain(what)
    }
    const { stdout } = await run('retain', 'aged/0', '-d', 'data', '--age', '7d', '--json')
    expect(JSON.parse(stdout)).toMatchObject({
      segments: [],
      held: { segment: { baseOffset: 1 }, reason: 'future-timestamp', laterSegments: 1 },
    })
  })

  it.each([
    [['--before', '14'], true],
    [['--before', '2030-01-01'], true],
    [['--bytes', '1'], true],
    [['--age', '99999w', '--before', '14', '--trust-clock'], true],
    [['--before', '13'], false],
    [['--bytes', '1GB'], false],
    [['--before', '4', '--bytes', '1GB'], false],
    [['--age', '99999w', '--trust-clock'], false],
  ])('tells of the segment that is still written to where a limit would take it: %j', async (args, isTold) => {
    const told = '\n00000000000000000008.wal is kept: it is still written to, and only --age ends it\n'
    for (const yes of [[], ['--yes']]) {
      const { status, stdout } = await run('retain', 'data/orders/0', ...args, ...yes)
      expect([status, `\n${stdout}`.includes(told), stdout.includes(' is kept')]).toEqual([0, isTold, isTold])
    }
    const { stdout } = await run('retain', 'data/orders/0', ...args, '--json')
    expect(JSON.parse(stdout)).toMatchObject({
      held: isTold ? { segment: { baseOffset: 8 }, reason: 'active', laterSegments: 0 } : null,
    })
  })

  it('tells of a timestamp in the future in the segment that is still written to, and when --before takes it', async () => {
    const writer = await openExample(join(place, 'data'), 'ahead', 0)
    await writer.append(null, Buffer.from('x'), [], NOW_MS + 10.5 * DAY_MS)
    await writer.close()
    const { stdout } = await run('retain', 'ahead/0', '-d', 'data', '--age', '7d', '--before', '1', '--trust-clock')
    expect(stdout).toMatch(
      /10 days ahead of the clock; it is still written to: once a later segment is begun, --before 1 lets it go\n$/,
    )
  })

  it.each([
    [
      'far ahead of the log',
      [
        { created: 4000, stamped: 4000 },
        { created: 3990, stamped: 3990 },
      ],
      'after a stretch of which the log says nothing',
    ],
    [
      'behind the log',
      [
        { created: 4000, stamped: 4000 },
        { created: -1, stamped: 0 },
      ],
      'but the newest segment of the log was created at',
    ],
  ])('refuses to go by a clock that is %s, unless told to', async (_, segments, message) => {
    await makeAgedLog(segments)
    const before = contents()
    for (const args of [[], ['--yes'], ['--bytes', '1GB', '--yes']]) {
      const { status, stdout, stderr } = await run('retain', 'aged/0', '-d', 'data', '--age', '7d', ...args)
      expect([status, stdout]).toEqual([1, ''])
      expect(stderr).toContain(message)
      expect(stderr).toMatch(/^sq-wal: .*\(--trust-clock goes by the clock all the same\)\n$/)
    }
    expect(contents()).toEqual(before)
    const told = await run('retain', 'aged/0', '-d', 'data', '--age', '7d', '--trust-clock', '--yes')
    expect(told).toMatchObject({ status: 0, stdout: expect.stringMatching(/\ndeleted \d segments? with/) })
  })
})

describe('truncate', () => {
  it('shows how much it would drop, and drops it with --yes', async () => {
    const before = contents()
    const what = '4 records, offsets 10-13'
    const truncate = ['truncate', 'data/orders/0', '--from', '10']
    expect(await run(...truncate)).toEqual({
      status: 0,
      stdout: `would drop ${what}; nothing was changed: --yes does it\n`,
      stderr: '',
    })
    expect(contents()).toEqual(before)
    expect(await run(...truncate, '--yes')).toEqual({ status: 0, stdout: `dropped ${what}\n`, stderr: '' })
    expect((await values()).at(-1)).toBe('order 9')
    expect(await run(...truncate)).toMatchObject({ stdout: 'there is nothing to drop: the log ends there\n' })
  })

  it('takes a time, and writes JSON', async () => {
    const { stdout } = await run('truncate', 'data/orders/0', '--from', '2026-11-22T20:11:30Z', '--json', '--yes')
    expect(JSON.parse(stdout)).toEqual({ done: true, records: 2, previousNextOffset: 14, nextOffset: 12 })
  })
})

describe('one line says what is wrong', () => {
  it.each([
    [['verify'], 2, 'verify takes a log, or --all'],
    [['verify', 'data/orders/0', '--all'], 2, 'verify takes a log, or --all'],
    [['verify', 'data/orders/5'], 1, `there is no log in data/orders/5 ${ADVICE}`],
    [
      ['verify', '--all', '-d', 'missing'],
      1,
      'there is no log in missing: --data-dir or $SQ_WAL_DIR says where the logs are',
    ],
    [['repair', 'data/orders/5'], 1, `there is no log in data/orders/5 ${ADVICE}`],
    [['repair', 'data/orders/0', '--repair', 'magic'], 2, /Allowed choices are restore, drop-from, drop-through\.$/],
    [['retain', 'data/orders/0'], 2, 'retain needs a limit: --bytes, --age or --before'],
    [['retain', 'data/orders/0', '--bytes', '5 parsecs'], 2, /It is a size, such as 1000, 500MB or 2GiB\.$/],
    [['retain', 'data/orders/0', '--age', '6M'], 2, /It is a duration, such as 45s/],
    [['retain', 'data/orders/0', '--age', '7'], 2, /It is a duration, such as 45s, 90m, 36h, 7d or 2w\.$/],
    [['truncate', 'data/orders/0'], 2, "required option '--from <place>' not specified"],
    [
      ['truncate', 'data/orders/0', '--from', '15', '--yes'],
      1,
      'offset 15 is not in orders/0: it begins at 0 and ends before 14',
    ],
    [
      ['truncate', 'data/orders/0', '--from', '2030-01-01', '--yes'],
      1,
      'the log has no record of that time or a later one',
    ],
    [['bench', 'missing'], 1, /^cannot make a directory to measure in: ENOENT: /],
    [['bench', '--seconds', '0'], 2, /It is a whole number from 1 on\.$/],
    [['bench', '--value-bytes', '99999999'], 2, 'a record has at most 16777216 bytes'],
  ])('%j', async (args, status, message) => {
    const before = contents()
    const ended = await run(...args)
    expect(ended).toMatchObject({ status, stdout: '' })
    expect(ended.stderr).toMatch(/^sq-wal: .*\n$/)
    const told = ended.stderr.slice('sq-wal: '.length, -1)
    if (typeof message === 'string') expect(told).toBe(message)
    else expect(told).toMatch(message)
    expect(contents()).toEqual(before)
  })

  it('a log that a writer has open is left alone', async () => {
    const writer = await openExample(join(place, 'data'), 'orders', 0)
    const locked = { status: 1, stdout: '', stderr: expect.stringContaining('another writer has this partition open') }
    expect(await run('truncate', 'data/orders/0', '--from', '3', '--yes')).toEqual(locked)
    expect(await run('retain', 'data/orders/0', '--bytes', '1', '--yes')).toEqual(locked)
    await writer.close()
    expect(await values()).toHaveLength(14)
  })
})

it('bench measures, and leaves nothing behind', async () => {
  const before = readdirSync(place)
  const { status, stdout, stderr } = await run('bench', '--seconds', '1', '--value-bytes', '1000000', '--json')
  expect([stderr, status]).toEqual(['', 0])
  const measured: object[] = JSON.parse(stdout)
  // More than 32 MB are not kept in flight.
  expect(measured).toMatchObject([
    { what: 'write + fdatasync', inFlight: 1 },
    { what: 'log', inFlight: 1 },
    { what: 'log', inFlight: 8 },
  ])
  expect(readdirSync(place)).toEqual(before)
})
