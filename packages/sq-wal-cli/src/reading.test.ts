/** The commands that read, run as processes; what they write is compared with the files in `testing/expected`. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { cleanEnvironment } from './testing/clean-environment.ts'
import * as command from './testing/command.ts'
import type { Ended } from './testing/command.ts'
import { makeExampleLogs, openExample } from './testing/example-log.ts'
import { makePicturedLog } from './testing/pictured-log.ts'

// A machine that is busy with other things starts processes slowly.
vi.setConfig({ testTimeout: 30_000 })

const FIRST = 'data/orders/0/00000000000000000000.wal'

const ADVICE = '("sq-wal ls" lists the logs that are there; --data-dir or $SQ_WAL_DIR says where)'

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

describe('what is written', () => {
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

  it('as a figure', async () => {
    const { status } = await run('segments', 'data/orders/0', '--svg', 'orders.svg')
    expect(status).toBe(0)
    await expect(readFileSync(join(place, 'orders.svg'), 'utf8')).toMatchFileSnapshot(expected('segments.svg'))
  })

  it('as the figure that the README shows', async () => {
    await makePicturedLog(join(place, 'pictured'))
    const { status, stderr } = await run('segments', 'pictured/orders/0', '--svg', 'log.svg')
    expect([stderr, status]).toEqual(['', 0])
    const shown = fileURLToPath(new URL('../../../docs/log.svg', import.meta.url))
    await expect(readFileSync(join(place, 'log.svg'), 'utf8')).toMatchFileSnapshot(shown)
  })

  it('as a figure on standard output, and nothing else', async () => {
    const { status, stdout, stderr } = await run('segments', 'data/orders/0', '--svg', '-')
    expect([stderr, status]).toEqual(['', 0])
    expect(stdout).toBe(readFileSync(expected('segments.svg'), 'utf8'))
  })

  it('of a damaged file, with what is bad in it', async () => {
    const damaged = readFileSync(join(place, FIRST))
    damaged[300] = 0xff
    writeFileSync(join(place, 'damaged.wal'), damaged)
    const { status, stdout } = await run('dump', 'damaged.wal', '--hex')
    expect(status).toBe(1)
    await expect(stdout).toMatchFileSnapshot(expected('dump-damaged.txt'))
  })
})

describe('one line says what is wrong', () => {
  it.each([
    [['cat', 'missing/0', '-d', 'data'], 1, `there is no log in data/missing/0 ${ADVICE}`],
    [['ls', 'missing'], 1, 'there is no log in missing: --data-dir or $SQ_WAL_DIR says where the logs are'],
    [['cat', 'data/orders/0', '--from', '99'], 1, 'offset 99 is not in orders/0: it begins at 0 and ends before 14'],
    [['dump', 'missing.wal'], 1, "cannot open missing.wal: ENOENT: no such file or directory, open 'missing.wal'"],
    [['cat', 'orders'], 2, 'a log is named TOPIC/PARTITION, such as orders/0, not "orders"'],
    [['cat', 'orders/-1'], 2, 'a log is named TOPIC/PARTITION, such as orders/0, not "orders/-1"'],
    [
      ['cat', 'x/orders/0', '-d', 'y'],
      2,
      'with --data-dir a log is named TOPIC/PARTITION, not by the path "x/orders/0"',
    ],
    [['cat', 'data/orders/0', '--grep', '('], 2, /^--grep takes a regular expression: .*$/],
    [
      ['cat', 'data/orders/0', '--from', 'noon'],
      2,
      /^option '--from <place>' argument 'noon' is invalid\. It is an offset.*$/,
    ],
    [['cat', 'data/orders/0', '--count', '0'], 2, /It is a whole number from 1 on\.$/],
    [['cat', 'data/orders/0', '--format', 'xml'], 2, /Allowed choices are text, json, raw, hex\.$/],
    [['cat', 'data/orders/0', '--from', '9999999999999999'], 2, /It is an offset, such as 1200; or a time/],
    [['ls', ''], 2, 'the data directory must have a name'],
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
    ...['12.5', '12-5', '5/6/2026', '2026-02-30x', 'now'].map((written): [string[], number, RegExp] => [
      ['cat', 'data/orders/0', '--from', written],
      2,
      /It is an offset, such as 1200; or a time/,
    ]),
    [['ls', 'data', '-d', 'data'], 2, 'the data directory is given twice'],
    [
      ['segments', 'data/orders/0', '--json', '--svg', '-'],
      2,
      '--json and --svg - both write to standard output: choose one',
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

  it('a damaged log is written up to the damage', async () => {
    await makeExampleLogs(join(place, 'broken'))
    const path = join(place, 'broken/orders/0/00000000000000000004.wal')
    const content = readFileSync(path)
    content[300] = 0xff
    writeFileSync(path, content)
    const { status, stdout, stderr } = await run('cat', 'broken/orders/0', '--format', 'raw')
    expect(status).toBe(1)
    expect(stdout.split('\n').slice(0, 4)).toEqual(['order 0', 'order 1', 'order 2', 'order 3'])
    expect(stderr).toMatch(/^sq-wal: .*00000000000000000004\.wal is damaged in bytes .* \("sq-wal verify" tells .*\n$/)
  })

  it('a log that cannot be looked at stands below the others', async () => {
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
    ['of something else', Buffer.from('\u007fELF, and more'), 'BAD      it does not begin with a segment header'],
    ['cut short', 50, 'BAD      segment header and OPEN do not verify'],
  ])('a file %s is dumped as what it is', async (_, content, message) => {
    const bytes = typeof content === 'number' ? readFileSync(join(place, FIRST)).subarray(0, content) : content
    writeFileSync(join(place, 'strange.wal'), bytes)
    const { status, stdout, stderr } = await run('dump', 'strange.wal')
    expect([status, stderr]).toEqual([1, ''])
    expect(stdout).toContain(message)
  })
})

it.each(['cat', 'tail'])('%s --durable-only leaves out what nothing proves durable yet', async (name) => {
  const writer = await openExample(join(place, `${name}-beside`), 'orders', 0)
  for (const value of ['proven', 'last']) await writer.append(null, Buffer.from(value), [], 1)
  const args = [name, `${name}-beside/orders/0`, '--format', 'raw']
  expect((await run(...args)).stdout).toBe('proven\nlast\n')
  expect((await run(...args, '--durable-only')).stdout).toBe('proven\n')
  await writer.close()
  expect((await run(...args, '--durable-only')).stdout).toBe('proven\nlast\n')
})

describe('tail -f', () => {
  it('shows what is appended, and ends well on Ctrl-C', async () => {
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

describe('a log of some megabytes', () => {
  beforeAll(() => command.run(['append', 'data/large/0'], { place }, numbered(200_000)))

  it.each(['cat data/large/0', 'cat data/large/0 --format json', 'dump --hex data/large/0/00000000000000000000.wal'])(
    'a reader of %s that goes away early is no failure',
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

  it('is written whole, and nothing else is', async () => {
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
])('an output that cannot be written is told in one line: %s', async (line) => {
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
])('in %s, the log can be called %s', async (directory, name) => {
  const { status, stdout } = await command.run(['cat', name, '--count', '1', '--format', 'raw'], {
    place: join(place, directory),
  })
  expect([status, stdout]).toEqual([0, 'order 0\n'])
})

it('times without a zone are UTC, wherever one is', async () => {
  for (const TZ of ['America/New_York', 'Asia/Tokyo']) {
    const args = ['cat', 'data/orders/0', '--from', '2026-11-22 20:05', '--count', '1', '--format', 'raw']
    expect(await command.run(args, { place, env: { TZ } })).toMatchObject({ stdout: 'order 5\n' })
  }
})

describe('what is damaged', () => {
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

  it('is drawn as such, in the active segment too', async () => {
    const { status, stdout, stderr } = await run('segments', 'damaged/orders/0')
    expect([status, stderr]).toEqual([1, ''])
    await expect(stdout).toMatchFileSnapshot(expected('segments-damaged.txt'))
    expect((await run('segments', 'damaged/orders/0', '--json')).status).toBe(1)
  })

  it('does not hide the other segments, where it is a head', async () => {
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

it('dump --json has every digit of a segment id', async () => {
  const lines = (await run('dump', FIRST, '--json')).stdout.trimEnd().split('\n')
  expect(lines.map((line): unknown => JSON.parse(line))).toContainEqual(
    expect.objectContaining({ kind: 'open', open: expect.objectContaining({ segmentId: '77eef7246f99472c' }) }),
  )
})

function numbered(count: number): string {
  return Array.from({ length: count }, (_, index) => `line ${index}\n`).join('')
}
