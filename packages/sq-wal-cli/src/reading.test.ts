/** Runs the commands that read, and compares their output with the files in `testing/expected`. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { crc32 } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { cleanEnvironment } from './testing/clean-environment.ts'
import * as command from './testing/command.ts'
import type { Ended } from './testing/command.ts'
import { makeExampleLogs, openExample } from './testing/example-log.ts'
import { makePicturedLog } from './testing/pictured-log.ts'

// On a busy machine, starting a process takes long.
vi.setConfig({ testTimeout: 30_000 })

const FIRST = 'data/orders/0/00000000000000000000.wal'

const ADVICE = '("sq-wal ls" lists the logs; set the data directory with --data-dir or $SQ_WAL_DIR)'

let place: string

beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), 'sq-wal-test-'))
  await makeExampleLogs(join(place, 'data'))
})
afterAll(() => rmSync(place, { recursive: true }))

function run(...args: string[]): Promise<Ended> {
  return command.run(args, { place })
}

function expected(name: string): string {
  return fileURLToPath(new URL(`testing/expected/${name}`, import.meta.url))
}

describe('the output', () => {
  it.each([
    ['ls.txt', ['ls', 'data']],
    ['ls.json', ['ls', 'data', '--json']],
    ['segments.txt', ['segments', 'orders/0', '-d', 'data']],
    ['segments-empty.txt', ['segments', 'data/audit/7']],
    ['cat.txt', ['cat', 'data/orders/0']],
    ['cat-json.txt', ['cat', 'orders/0', '-d', 'data', '--format', 'json', '--from', '5', '--to', '8']],
    ['cat-hex.txt', ['cat', 'data/orders/0/', '--format', 'hex', '--from', '12']],
    ['cat-raw.txt', ['cat', 'data/orders/0', '--format', 'raw', '--count', '2']],
    ['cat-times.txt', ['cat', 'data/orders/0', '--from', '2026-11-22T20:02Z', '--to', '@1795377900']],
    ['cat-grep.txt', ['cat', 'data/orders/0', '--grep', 'order [25]$', '--format', 'raw']],
    ['cat-key.txt', ['cat', 'data/orders/0', '--key', 'key 1', '--count', '2']],
    ['tail.txt', ['tail', '-n', '2', 'data/orders/0', '--format', 'raw', '--grep', 'order']],
    ['dump.txt', ['dump', FIRST]],
  ])('%s', async (file, args) => {
    const { status, stdout, stderr } = await run(...args)
    expect([stderr, status]).toEqual(['', 0])
    await expect(stdout).toMatchFileSnapshot(expected(file))
  })

  it('segments --svg writes a figure', async () => {
    const { status } = await run('segments', 'data/orders/0', '--svg', 'orders.svg')
    expect(status).toBe(0)
    await expect(readFileSync(join(place, 'orders.svg'), 'utf8')).toMatchFileSnapshot(expected('segments.svg'))
  })

  it('segments --svg writes the figure of the README', async () => {
    await makePicturedLog(join(place, 'pictured'))
    const { status, stderr } = await run('segments', 'pictured/orders/0', '--svg', 'log.svg')
    expect([stderr, status]).toEqual(['', 0])
    const shown = fileURLToPath(new URL('../../../docs/log.svg', import.meta.url))
    await expect(readFileSync(join(place, 'log.svg'), 'utf8')).toMatchFileSnapshot(shown)
  })

  it('segments --svg - prints only the figure', async () => {
    const { status, stdout, stderr } = await run('segments', 'data/orders/0', '--svg', '-')
    expect([stderr, status]).toEqual(['', 0])
    expect(stdout).toBe(readFileSync(expected('segments.svg'), 'utf8'))
  })

  it('dump of a damaged file shows the bytes that do not verify', async () => {
    const damaged = readFileSync(join(place, FIRST))
    damaged[300] = 0xff
    writeFileSync(join(place, 'damaged.wal'), damaged)
    const { status, stdout } = await run('dump', 'damaged.wal', '--hex')
    expect(status).toBe(1)
    await expect(stdout).toMatchFileSnapshot(expected('dump-damaged.txt'))
  })
})

describe('an error is one line on stderr', () => {
  it.each([
    [['cat', 'missing/0', '-d', 'data'], 1, `there is no log in data/missing/0 ${ADVICE}`],
    [['ls', 'missing'], 1, 'there is no log in missing; set the data directory with --data-dir or $SQ_WAL_DIR'],
    [
      ['cat', 'data/orders/0', '--from', '99'],
      1,
      'offset 99 is not in orders/0: the log begins at 0 and ends before 14',
    ],
    [['dump', 'missing.wal'], 1, "cannot open missing.wal: ENOENT: no such file or directory, open 'missing.wal'"],
    [['cat', 'orders'], 2, 'expected a log as TOPIC/PARTITION, such as orders/0; found "orders"'],
    [['cat', 'orders/-1'], 2, 'expected a log as TOPIC/PARTITION, such as orders/0; found "orders/-1"'],
    [
      ['cat', 'x/orders/0', '-d', 'y'],
      2,
      'with --data-dir, expected a log as TOPIC/PARTITION; found the path "x/orders/0"',
    ],
    [['cat', 'data/orders/0', '--grep', '('], 2, /^--grep expects a regular expression: .*$/],
    [
      ['cat', 'data/orders/0', '--from', 'noon'],
      2,
      /^option '--from <place>' argument 'noon' is invalid\. Expected an offset.*$/,
    ],
    [['cat', 'data/orders/0', '--count', '0'], 2, /Expected a whole number, 1 or more\.$/],
    [['cat', 'data/orders/0', '--format', 'xml'], 2, /Allowed choices are text, json, raw, hex, csv\.$/],
    [['cat', 'data/orders/0', '--from', '9999999999999999'], 2, /Expected an offset, such as 1200; or a time/],
    [['ls', ''], 2, 'the data directory is an empty string; expected a path'],
    [['dump', 'data'], 1, "cannot open data: EISDIR: it is a directory, not a regular file, open 'data'"],
    ...['2026-02-30', '2026-11-22T25:00', '2026-11-22T20:57+25:00'].map((written): [string[], number, RegExp] => [
      ['cat', 'data/orders/0', '--from', written],
      2,
      /' is invalid\. .* does not exist: the .* is \d+, expected \d+ to \d+\.$/,
    ]),
    [
      ['cat', 'data/orders/0', '--from', '@1795377900000'],
      2,
      /may be seconds or milliseconds: write @1795377900000\.000 for seconds, @1795377900\.000 for milliseconds\.$/,
    ],
    ...['12.5', '12-5', '5/6/2026', '2026-02-30x', 'soon'].map((written): [string[], number, RegExp] => [
      ['cat', 'data/orders/0', '--from', written],
      2,
      /Expected an offset, such as 1200; or a time/,
    ]),
    [['ls', 'data', '-d', 'data'], 2, 'the data directory is given twice: as an argument and with --data-dir'],
    [
      ['segments', 'data/orders/0', '--json', '--svg', '-'],
      2,
      '--json and --svg - both write to standard output; use only one of them',
    ],
    [['xyzzy'], 2, "unknown command 'xyzzy'"],
    [['cta'], 2, "unknown command 'cta' (Did you mean cat?)"],
  ])('%j', async (args, status, message) => {
    const ended = await run(...args)
    expect(ended).toMatchObject({ status, stdout: '' })
    const lines = ended.stderr.trimEnd().split('\n')
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/^sq-wal: /)
    const told = lines[0]?.slice('sq-wal: '.length)
    if (typeof message === 'string') expect(told).toBe(message)
    else expect(told).toMatch(message)
  })

  it('cat prints the records before the damage', async () => {
    await makeExampleLogs(join(place, 'broken'))
    const path = join(place, 'broken/orders/0/00000000000000000004.wal')
    const content = readFileSync(path)
    content[300] = 0xff
    writeFileSync(path, content)
    const { status, stdout, stderr } = await run('cat', 'broken/orders/0', '--format', 'raw')
    expect(status).toBe(1)
    expect(stdout.split('\n').slice(0, 4)).toEqual(['order 0', 'order 1', 'order 2', 'order 3'])
    expect(stderr).toMatch(
      /^sq-wal: .*00000000000000000004\.wal is damaged in bytes .* \("sq-wal verify" reports .*\n$/,
    )
  })

  it('ls reports a log that it cannot read, and lists the others', async () => {
    await makeExampleLogs(join(place, 'half'))
    writeFileSync(join(place, 'half/audit/7/00000000000000000000.wal'), 'something else')
    const { status, stdout, stderr } = await run('ls', 'half')
    expect(status).toBe(1)
    expect(stdout).toMatch(/^LOG .*\norders\/0 .*\n$/)
    expect(stderr).toMatch(/^sq-wal: audit\/7: .* is damaged in bytes 0 to 32 .*\n$/)
    const { error } = JSON.parse((await run('ls', 'half', '--json')).stdout)[0]
    expect(error).toMatch(/it does not begin with a segment header$/)
  })

  it.each([
    ['that is not a segment', Buffer.from('\u007fELF, and more'), 'BAD      it does not begin with a segment header'],
    ['that is truncated', 50, 'BAD      segment header and OPEN do not verify'],
  ])('dump of a file %s says why it does not verify', async (_, content, message) => {
    const bytes = typeof content === 'number' ? readFileSync(join(place, FIRST)).subarray(0, content) : content
    writeFileSync(join(place, 'strange.wal'), bytes)
    const { status, stdout, stderr } = await run('dump', 'strange.wal')
    expect([status, stderr]).toEqual([1, ''])
    expect(stdout).toContain(message)
  })
})

it.each(['cat', 'tail'])('%s --durable-only omits records that are not confirmed durable', async (name) => {
  const writer = await openExample(join(place, `${name}-unconfirmed`), 'orders', 0)
  for (const value of ['confirmed', 'last']) await writer.append(null, Buffer.from(value), [], 1)
  const args = [name, `${name}-unconfirmed/orders/0`, '--format', 'raw']
  expect((await run(...args)).stdout).toBe('confirmed\nlast\n')
  expect((await run(...args, '--durable-only')).stdout).toBe('confirmed\n')
  await writer.close()
  expect((await run(...args, '--durable-only')).stdout).toBe('confirmed\nlast\n')
})

it('dump shows what an earlier segment left in a recycled file as one part, and nothing as bad', async () => {
  const segment = readFileSync(join(place, FIRST))
  const end = segment.length + 4000
  const trailer = Buffer.alloc(16)
  trailer.write('SQSTALE\n')
  trailer.writeUInt32LE(end, 8)
  trailer.writeUInt32LE(crc32(trailer.subarray(0, 12)), 12)
  writeFileSync(join(place, 'recycled.wal'), Buffer.concat([segment, Buffer.alloc(4000, 'stale'), trailer]))
  const { status, stdout, stderr } = await run('dump', 'recycled.wal')
  expect([status, stderr]).toEqual([0, ''])
  expect(stdout).toMatch(/ 4016 B {2}STALE {4}left by the segment that the file held before\n$/)
})

describe('tail -f', () => {
  it('tail -f prints new records, and ends with status 0 on Ctrl-C', async () => {
    await makeExampleLogs(join(place, 'live'))
    const child = spawn(
      process.execPath,
      [command.COMMAND, 'tail', '-f', '-n', '1', 'live/orders/0', '--format', 'json'],
      {
        cwd: place,
        env: cleanEnvironment(),
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    const ended = once(child, 'close')
    const seen: number[] = []
    for await (const chunk of child.stdout) {
      for (const line of String(chunk).trimEnd().split('\n')) {
        const { offset }: { offset: number } = JSON.parse(line)
        seen.push(offset)
      }
      if (seen.length === 1) {
        const writer = await openExample(join(place, 'live'), 'orders', 0)
        await writer.append(null, Buffer.from('new'), [], 1)
        await writer.close()
      } else {
        child.kill('SIGINT')
      }
    }
    expect(await ended).toEqual([0, null])
    expect(seen).toEqual([13, 14])
  })
})

describe('a log of several megabytes', () => {
  beforeAll(() => command.run(['append', 'data/large/0'], { place }, numbered(200_000)))

  it.each(['cat data/large/0', 'cat data/large/0 --format json', 'dump --hex data/large/0/00000000000000000000.wal'])(
    '%s succeeds if its reader closes the pipe early',
    async (line) => {
      const script = `( "$0" "$1" ${line}; echo "status $?" >&2 ) | head -n 1 | cut -c 1-9`
      const child = spawn('sh', ['-c', script, process.execPath, command.COMMAND], {
        cwd: place,
        env: cleanEnvironment(),
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
      expect([stdout.split('\n').length, stderr]).toEqual([2, 'status 0\n'])
    },
  )

  it('cat prints the whole log and nothing else', async () => {
    const { status, stdout, stderr } = await run('cat', 'data/large/0', '--format', 'raw')
    expect([status, stderr]).toEqual([0, ''])
    expect(stdout).toBe(numbered(200_000))
  })
})

it.each([
  'ls data',
  'cat data/orders/0',
  'dump data/orders/0/00000000000000000000.wal',
  'segments data/orders/0',
  '--help',
  'cat --help',
  '--version',
])('a failed write of the output is one line on stderr: %s', async (line) => {
  const child = spawn('sh', ['-c', `"$0" "$1" ${line} > /dev/full`, process.execPath, command.COMMAND], {
    cwd: place,
    env: cleanEnvironment(),
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const [stderr] = await Promise.all([text(child.stderr), once(child, 'close')])
  expect([child.exitCode, stderr]).toEqual([1, expect.stringMatching(/^sq-wal: cannot write the output: ENOSPC.*\n$/)])
})

it.each([
  ['data/orders/0', '.'],
  ['data/orders/0', './'],
  ['data/orders', './0'],
  ['data/audit', '../orders//0'],
  ['data', './orders/0/'],
])('in the directory %s, the log can be named %s', async (directory, name) => {
  const { status, stdout } = await command.run(['cat', name, '--count', '1', '--format', 'raw'], {
    place: join(place, directory),
  })
  expect([status, stdout]).toEqual([0, 'order 0\n'])
})

it('a time without a zone is UTC, whatever the local time zone', async () => {
  for (const TZ of ['America/New_York', 'Asia/Tokyo']) {
    const args = ['cat', 'data/orders/0', '--from', '2026-11-22 20:05', '--count', '1', '--format', 'raw']
    expect(await command.run(args, { place, env: { TZ } })).toMatchObject({ stdout: 'order 5\n' })
  }
})

describe('damage', () => {
  beforeAll(async () => {
    await makeExampleLogs(join(place, 'damaged'))
    for (const [file, from] of [
      ['00000000000000000000.wal', 280],
      ['00000000000000000008.wal', 200],
    ] as const) {
      const path = join(place, 'damaged/orders/0', file)
      writeFileSync(path, readFileSync(path).fill(0xff, from, from + 60))
    }
  })

  it('segments draws damage, including in the active segment', async () => {
    const { status, stdout, stderr } = await run('segments', 'damaged/orders/0')
    expect([status, stderr]).toEqual([1, ''])
    await expect(stdout).toMatchFileSnapshot(expected('segments-damaged.txt'))
    expect((await run('segments', 'damaged/orders/0', '--json')).status).toBe(1)
  })

  it('segments lists every file even if the head of one is damaged', async () => {
    writeFileSync(join(place, 'damaged/orders/0/00000000000000000004.wal'), '')
    const { status, stdout, stderr } = await run('segments', 'damaged/orders/0')
    expect([status, stderr]).toEqual([1, ''])
    await expect(stdout).toMatchFileSnapshot(expected('segments-no-head.txt'))
    expect(await run('dump', 'damaged/orders/0/00000000000000000004.wal')).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('BAD      the file is empty'),
    })
  })
})

it('dump --json prints every digit of a segment id', async () => {
  const lines = (await run('dump', FIRST, '--json')).stdout.trimEnd().split('\n')
  expect(lines.map((line): unknown => JSON.parse(line))).toContainEqual(
    expect.objectContaining({ kind: 'open', open: expect.objectContaining({ segmentId: '77eef7246f99472c' }) }),
  )
})

function numbered(count: number): string {
  return Array.from({ length: count }, (_, index) => `line ${index}\n`).join('')
}
