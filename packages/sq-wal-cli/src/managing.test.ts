/** Runs the commands that verify, repair and delete, and compares their output with the files in `testing/expected`. */
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

// On a busy machine, starting a process takes long.
vi.setConfig({ testTimeout: 30_000 })

const FIRST = 'data/orders/0/00000000000000000000.wal'
const SECOND = 'data/orders/0/00000000000000000004.wal'

const ADVICE = '("sq-wal ls" lists the logs; set the data directory with --data-dir or $SQ_WAL_DIR)'

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

/** Changes a byte of a file: at a position, or at the first occurrence of a text. */
function damage(path: string, at: number | string): void {
  const content = readFileSync(join(place, path))
  const position = typeof at === 'number' ? at : content.indexOf(at)
  content[position] = (content[position] ?? 0) ^ 0xff
  writeFileSync(join(place, path), content)
}

/** The content of every file in the data directory. */
function contents(): Record<string, string> {
  const names = readdirSync(join(place, 'data'), { recursive: true }).map(String)
  const files = names.filter((name) => statSync(join(place, 'data', name)).isFile()).toSorted()
  return Object.fromEntries(files.map((name) => [name, readFileSync(join(place, 'data', name), 'base64')]))
}

/** The values in the log. */
async function values(): Promise<string[]> {
  const { stdout } = await run('cat', 'data/orders/0', '--format', 'raw')
  return stdout.trimEnd().split('\n')
}

describe('after records were deleted up to an offset inside a segment', () => {
  beforeEach(async () => {
    const writer = await openExample(join(place, 'data'), 'orders', 0)
    await writer.deleteRecords(6n)
    await writer.close()
  })

  it('ls states the offsets and records that are left', async () => {
    const [, log] = JSON.parse((await run('ls', 'data', '--json')).stdout)
    expect(log).toMatchObject({ topic: 'orders', segments: 2, records: 8, firstOffset: 6, nextOffset: 14 })
  })

  it('cat and tail print what is left', async () => {
    for (const args of [['cat'], ['tail', '-n', '100']]) {
      const { status, stdout, stderr } = await run(...args, 'orders/0', '-d', 'data', '--format', 'json')
      expect([status, stderr]).toEqual([0, ''])
      const offsets = stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).offset)
      expect(offsets).toEqual([6, 7, 8, 9, 10, 11, 12, 13])
    }
  })

  it('truncate names the first offset that is left', async () => {
    const { status, stderr } = await run('truncate', 'orders/0', '-d', 'data', '--from', '5')
    expect(status).toBe(1)
    expect(stderr).toContain('offset 5')
    expect(stderr).toContain('6')
  })
})

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

  it('verify reports damage, with status 1', async () => {
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
  it('repair without --yes lists the repairs and changes nothing', async () => {
    damage(FIRST, 'order 2')
    const before = contents()
    const { status, stdout, stderr } = await run('repair', 'orders/0', '-d', 'data')
    expect([stderr, status]).toEqual(['', 1])
    await expect(stdout).toMatchFileSnapshot(expected('repair.txt'))
    expect(contents()).toEqual(before)
  })

  it('repair --yes alone performs only a restore', async () => {
    const before = contents()
    damage(FIRST, 150)
    const { status, stdout, stderr } = await run('repair', 'data/orders/0', '--yes')
    expect([stderr, status]).toEqual(['', 0])
    expect(stdout).toBe('orders/0: restore done; the log has offsets 0-13\nno problem left\n')
    expect(contents()).toEqual(before)
    const { stdout: json } = await run('repair', 'data/orders/0', '--yes', '--json')
    expect(JSON.parse(json)).toEqual({ repaired: null, repair: null, quarantined: [], problems: [] })
    expect(await run('repair', 'data/orders/0', '--yes')).toEqual({
      status: 0,
      stdout: 'orders/0: no problem, nothing to repair\n',
      stderr: '',
    })
  })

  it('repair loses records only with --repair, and quarantines them', async () => {
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

  it('repair performs one repair, and its status says whether problems are left', async () => {
    damage(FIRST, 150)
    damage(SECOND, 150)
    const { status, stdout } = await run('repair', 'data/orders/0', '--problem', '2', '--yes', '--json')
    expect(status).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({ repair: 'restore', quarantined: [], problems: [{ path: FIRST }] })
  })

  it.each([
    [['--yes', '--problem', '3'], '--problem is 3; the log has 1 problem'],
    [
      ['--yes', '--repair', 'restore'],
      'problem 1 does not offer the repair restore; it offers drop-through, drop-from',
    ],
  ])('repair %j is a usage error', async (args, message) => {
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
  ])('retain without --yes shows what it would delete: %s', async (file, args) => {
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
  ])('retain --yes deletes: %j', async (args, first) => {
    const { status, stdout } = await run('retain', 'data/orders/0', ...args, '--yes')
    const told =
      /\ndeleted \d segments? with \d+ records, [\d.]+ kB, timestamps 2026-11-22 20:00:00.000Z to 2026-11-22 20:\d\d:00.000Z\n(.* is kept: .*\n)?$/
    expect([status, stdout]).toEqual([0, expect.stringMatching(told)])
    expect((await values())[0]).toBe(first)
  })

  // The process uses the system clock, so these logs have times relative to it.
  const NOW_MS = Date.now()
  const DAY_MS = 86_400_000

  /** Creates the log `aged/0`. `created` and `stamped` are the ages in days of each segment and of its record. */
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

  it('retain --age deletes by timestamp, including the last segment', async () => {
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

  it('retain says what holds back a segment, with and without --yes', async () => {
    await makeAgedLog([
      { created: 10, stamped: 10 },
      { created: 9, stamped: -3650.5 },
      { created: 8, stamped: 8 },
    ])
    const held =
      /^0{19}1\.wal is kept: it has offsets 1-1, and its largest timestamp is \d{4}-\S+ \S+Z, 3,650 days ahead of the clock; it holds back 1 later segment that the limits would delete; --before 2 deletes it$/m
    for (const [args, what] of [
      [[], 'would delete'],
      [['--yes'], 'deleted'],
      [[], 'these limits delete no segment'],
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
  ])('retain says that the active segment is kept if it exceeds a limit: %j', async (args, isTold) => {
    const told = '\n00000000000000000008.wal is kept: it is the active segment, which only --age deletes\n'
    for (const yes of [[], ['--yes']]) {
      const { status, stdout } = await run('retain', 'data/orders/0', ...args, ...yes)
      expect([status, `\n${stdout}`.includes(told), stdout.includes(' is kept')]).toEqual([0, isTold, isTold])
    }
    const { stdout } = await run('retain', 'data/orders/0', ...args, '--json')
    expect(JSON.parse(stdout)).toMatchObject({
      held: isTold ? { segment: { baseOffset: 8 }, reason: 'active', laterSegments: 0 } : null,
    })
  })

  it('retain reports a future timestamp in the active segment, and when --before deletes it', async () => {
    const writer = await openExample(join(place, 'data'), 'ahead', 0)
    await writer.append(null, Buffer.from('x'), [], NOW_MS + 10.5 * DAY_MS)
    await writer.close()
    const { stdout } = await run('retain', 'ahead/0', '-d', 'data', '--age', '7d', '--before', '1', '--trust-clock')
    expect(stdout).toMatch(
      /10 days ahead of the clock; it is the active segment: once there is a later one, --before 1 deletes it\n$/,
    )
  })

  it.each([
    [
      'far ahead of the log',
      [
        { created: 4000, stamped: 4000 },
        { created: 3990, stamped: 3990 },
      ],
      'after a silence of the log',
    ],
    [
      'behind the log',
      [
        { created: 4000, stamped: 4000 },
        { created: -1, stamped: 0 },
      ],
      'but the newest segment of the log was created at',
    ],
  ])('retain --age refuses a clock that is %s without --trust-clock', async (_, segments, message) => {
    await makeAgedLog(segments)
    const before = contents()
    for (const args of [[], ['--yes'], ['--bytes', '1GB', '--yes']]) {
      const { status, stdout, stderr } = await run('retain', 'aged/0', '-d', 'data', '--age', '7d', ...args)
      expect([status, stdout]).toEqual([1, ''])
      expect(stderr).toContain(message)
      expect(stderr).toMatch(/^sq-wal: .*\(--trust-clock uses the clock anyway\)\n$/)
    }
    expect(contents()).toEqual(before)
    const told = await run('retain', 'aged/0', '-d', 'data', '--age', '7d', '--trust-clock', '--yes')
    expect(told).toMatchObject({ status: 0, stdout: expect.stringMatching(/\ndeleted \d segments? with/) })
  })
})

describe('truncate', () => {
  it('truncate shows how much it would drop, and drops it with --yes', async () => {
    const before = contents()
    const what = '4 records, offsets 10-13'
    const truncate = ['truncate', 'data/orders/0', '--from', '10']
    expect(await run(...truncate)).toEqual({
      status: 0,
      stdout: `would drop ${what}; nothing was changed, add --yes to drop\n`,
      stderr: '',
    })
    expect(contents()).toEqual(before)
    expect(await run(...truncate, '--yes')).toEqual({ status: 0, stdout: `dropped ${what}\n`, stderr: '' })
    expect((await values()).at(-1)).toBe('order 9')
    expect(await run(...truncate)).toMatchObject({ stdout: 'nothing to drop: the log ends at this offset\n' })
  })

  it('truncate --json accepts a time', async () => {
    const { stdout } = await run('truncate', 'data/orders/0', '--from', '2026-11-22T20:11:30Z', '--json', '--yes')
    expect(JSON.parse(stdout)).toEqual({ done: true, records: 2, previousNextOffset: 14, nextOffset: 12 })
  })
})

describe('an error is one line on stderr', () => {
  it.each([
    [['verify'], 2, "expected logs (TOPIC/PARTITION), patterns ('web/*'), or --all"],
    [['verify', 'data/orders/0', '--all'], 2, "expected logs (TOPIC/PARTITION), patterns ('web/*'), or --all"],
    [['verify', 'data/orders/5'], 1, `there is no log in data/orders/5 ${ADVICE}`],
    [
      ['verify', '--all', '-d', 'missing'],
      1,
      'there is no log in missing; set the data directory with --data-dir or $SQ_WAL_DIR',
    ],
    [['repair', 'data/orders/5'], 1, `there is no log in data/orders/5 ${ADVICE}`],
    [
      ['repair', 'data/orders/0', '--repair', 'magic'],
      2,
      /Allowed choices are restore, drop-from, drop-through, remove-log-start\.$/,
    ],
    [['retain', 'data/orders/0'], 2, 'retain needs a limit: --bytes, --age or --before'],
    [['retain', 'data/orders/0', '--bytes', '5 parsecs'], 2, /Expected a size, such as 1000, 500MB or 2GiB\.$/],
    [['retain', 'data/orders/0', '--age', '6M'], 2, /Expected a duration, such as 45s/],
    [['retain', 'data/orders/0', '--age', '7'], 2, /Expected a duration, such as 45s, 90m, 36h, 7d or 2w\.$/],
    [['truncate', 'data/orders/0'], 2, "required option '--from <place>' not specified"],
    [
      ['truncate', 'data/orders/0', '--from', '15', '--yes'],
      1,
      'offset 15 is not in orders/0: the log begins at 0 and ends before 14',
    ],
    [
      ['truncate', 'data/orders/0', '--from', '2030-01-01', '--yes'],
      1,
      'the log has no record with this timestamp or a later one',
    ],
    [['bench', 'missing'], 1, /^cannot create a temporary directory for the measurement: ENOENT: /],
    [['bench', '--seconds', '0'], 2, /Expected a whole number, 1 or more\.$/],
    [
      ['bench', '--value-bytes', '99999999'],
      2,
      '--value-bytes is 99999999; the maximum size of a record is 16777216 bytes',
    ],
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

  it('truncate and retain refuse a log that another writer has open', async () => {
    const writer = await openExample(join(place, 'data'), 'orders', 0)
    const locked = { status: 1, stdout: '', stderr: expect.stringContaining('another writer holds the lock') }
    expect(await run('truncate', 'data/orders/0', '--from', '3', '--yes')).toEqual(locked)
    expect(await run('retain', 'data/orders/0', '--bytes', '1', '--yes')).toEqual(locked)
    await writer.close()
    expect(await values()).toHaveLength(14)
  })
})

it('bench measures the disk and the log, and removes its files', async () => {
  const before = readdirSync(place)
  const { status, stdout, stderr } = await run('bench', '--seconds', '1', '--value-bytes', '1000000', '--json')
  expect([stderr, status]).toEqual(['', 0])
  const measured: object[] = JSON.parse(stdout)
  // With values of 1 MB, more appends in flight would exceed 32 MB.
  expect(measured).toMatchObject([
    { what: 'write + fdatasync', inFlight: 1 },
    { what: 'log', inFlight: 1 },
    { what: 'log', inFlight: 8 },
  ])
  expect(readdirSync(place)).toEqual(before)
})
