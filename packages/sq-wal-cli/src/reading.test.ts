/** The commands that read, run as processes; what they write is compared with the files in `testing/expected`. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import * as command from './testing/command.ts'
import type { Ended } from './testing/command.ts'
import { makeExampleLogs, openExample } from './testing/example-log.ts'

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
    ['cat-times.txt', ['cat', 'data/orders/0', '--from', '2026-11-22T20:02Z', '--to', '@1795377900000']],
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
    [['ls', 'missing'], 1, `there is no log in missing ${ADVICE}`],
    [['cat', 'data/orders/0', '--from', '99'], 1, 'offset 99 is not in data/orders/0: it begins at 0 and ends before 14'],
    [['dump', 'missing.wal'], 1, "cannot open missing.wal: ENOENT: no such file or directory, open 'missing.wal'"],
    [['cat', 'orders'], 2, 'a log is named TOPIC/PARTITION, such as orders/0, not "orders"'],
    [['cat', 'orders/-1'], 2, 'a log is named TOPIC/PARTITION, such as orders/0, not "orders/-1"'],
    [['cat', 'x/orders/0', '-d', 'y'], 2, 'with --data-dir a log is named TOPIC/PARTITION, not by the path "x/orders/0"'],
    [['cat', 'data/orders/0', '--grep', '('], 2, /^--grep takes a regular expression: .*$/],
    [['cat', 'data/orders/0', '--from', 'noon'], 2, /^option '--from <place>' argument 'noon' is invalid\. It is an offset.*$/],
    [['cat', 'data/orders/0', '--count', '0'], 2, /It is a whole number from 1 on\.$/],
    [['cat', 'data/orders/0', '--format', 'xml'], 2, /Allowed choices are text, json, raw, hex\.$/],
    [['cat', 'data/orders/0', '--from', '9999999999999999'], 2, /It is an offset, such as 1200; or a time/],
    [['ls', ''], 2, 'the data directory must have a name'],
    [['dump', 'data'], 1, "cannot open data: EISDIR: illegal operation on a directory, open 'data'"],
    [['xyzzy'], 2, "unknown command 'xyzzy'"],
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
    expect([status, stderr]).toEqual([1, ''])
    expect(stdout).toMatch(/^LOG .*\norders\/0 .*\naudit\/7: .* is damaged in bytes 0 to 32 .*\n$/)
    const { error } = JSON.parse((await run('ls', 'half', '--json')).stdout)[0]
    expect(error).toMatch(/it does not begin with a segment header$/)
  })

  it.each([
    ['of something else', Buffer.from('\u007fELF, and more'), 'BAD      it does not begin with a segment header'],
    ['cut short', 50, 'BAD      no OPEN verifies here'],
  ])('a file %s is dumped as what it is', async (_, content, message) => {
    const bytes = typeof content === 'number' ? readFileSync(join(place, FIRST)).subarray(0, content) : content
    writeFileSync(join(place, 'strange.wal'), bytes)
    const { status, stdout, stderr } = await run('dump', 'strange.wal')
    expect([status, stderr]).toEqual([1, ''])
    expect(stdout).toContain(message)
  })
})

describe('tail -f', () => {
  it('shows what is appended, and ends well on Ctrl-C', async () => {
    await makeExampleLogs(join(place, 'live'))
    const child = spawn(process.execPath, [command.COMMAND, 'tail', '-f', '-n', '1', 'live/orders/0', '--format', 'json'], {
      cwd: place,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
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

it('a reader that goes away early is no failure', async () => {
  const child = spawn('sh', ['-c', `"$0" "$1" cat data/orders/0 | head -n 1`, process.execPath, command.COMMAND], {
    cwd: place,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  expect([stdout.split(' ')[0], stderr, child.exitCode]).toEqual(['0', '', 0])
})
