/** Runs `sq-wal append` as a process: with input from a pipe and from files, killed and interrupted. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { NodeFileSystem } from '@sq/sim'
import { verify, WalReader } from '@sq/storage'
import { cleanEnvironment } from './testing/clean-environment.ts'
import { COMMAND, run, start } from './testing/command.ts'
import type { Ended } from './testing/command.ts'
import { makeExampleLogs, openExample } from './testing/example-log.ts'

// On a busy machine, starting a process takes long.
vi.setConfig({ testTimeout: 60_000 })

let place: string

beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'sq-wal-test-'))
})
afterEach(() => rmSync(place, { recursive: true }))

function append(input: string | Uint8Array, ...args: string[]): Promise<Ended> {
  return run(['append', 'orders/0', ...args], { place }, input)
}

/** Runs a shell command, in which `$0` is Node and `$1` is the command. */
function shell(program: 'sh' | 'bash', line: string): { status: number | null; stdout: string; stderr: string } {
  const options = { cwd: place, env: cleanEnvironment(), encoding: 'utf8' } as const
  return spawnSync(program, ['-c', line, process.execPath, COMMAND], options)
}

function write(name: string, content: string): string {
  writeFileSync(join(place, name), content)
  return name
}

/** The key, value and headers of each record in the log, as text. */
async function stored(): Promise<[key: string | null, value: string, headers: string][]> {
  const reader = await WalReader.open(new NodeFileSystem(), { dataDir: place }, 'orders', 0)
  const records: [string | null, string, string][] = []
  for await (const { key, value, headers } of reader.read()) {
    const named = headers.map((header) => `${header.key}=${String(header.value)}`)
    records.push([key && String(key), String(value), named.join(' ')])
  }
  return records
}

async function values(): Promise<string[]> {
  return (await stored()).map(([, value]) => value)
}

function numbered(from: number, to: number): string {
  return Array.from({ length: to - from }, (_, index) => `line ${from + index}\n`).join('')
}

describe('what is appended', () => {
  it('each line is appended byte for byte', async () => {
    const ended = await append(Buffer.from('one\n\ntwo\r\nthr\u00e9e', 'latin1'))
    expect(ended).toEqual({ status: 0, stdout: '4 records are durable in orders/0, offsets 0-3\n', stderr: '' })
    expect(await values()).toEqual(['one', '', 'two\r', 'thr\uFFFDe'])
  })

  it('JSON is appended after existing records, as the README shows', async () => {
    await makeExampleLogs(place)
    const fields = ['--key-field', 'id', '--timestamp-field', 'at']
    const { status, stdout } = await append('{"id":7,"at":"2026-11-22T20:00Z"}\n', '--format', 'json', ...fields)
    expect(status).toBe(0)
    await expect(stdout).toMatchFileSnapshot(fileURLToPath(new URL('testing/expected/append.txt', import.meta.url)))
  })

  it('an empty input appends nothing', async () => {
    expect(await append('')).toEqual({ status: 0, stdout: 'no record was appended to orders/0\n', stderr: '' })
  })

  it('fields of JSON become key, timestamp and headers', async () => {
    const lines = [
      '{"id":"a","at":1700000000005,"n":1}',
      ' ',
      '{"at":"2026-01-01T00:00Z", "n":{"m":[1]},"id":7}',
      '{"at":100000000000,"id":null}',
    ]
    const fields = ['--key-field', 'id', '--timestamp-field', 'at', '--header-field', 'n', '--header-field', 'x']
    const { status } = await append('', '--format', 'json', ...fields, write('some.json', lines.join('\n')))
    expect(status).toBe(0)
    expect(await stored()).toEqual([
      ['a', lines[0], 'n=1'],
      ['7', lines[2], 'n={"m":[1]}'],
      [null, lines[3], ''],
    ])
    const { stdout } = await run(['cat', 'orders/0', '--format', 'json'], { place })
    expect(stdout.match(/"timestampMs":\d+/g)).toEqual(
      ['1700000000005', '1767225600000', '100000000000'].map((ms) => `"timestampMs":${ms}`),
    )
  })

  it.each([
    ['s', '1795672800', 1_795_672_800_000],
    ['s', '5', 5000],
    ['ms', '5', 5],
    ['us', '"1795672800123456"', 1_795_672_800_123],
    ['ns', '"1795672800123456789"', 1_795_672_800_123],
  ])('a timestamp field in the unit %s is converted to milliseconds', async (unit, written, timestampMs) => {
    const fields = ['--timestamp-field', 'at', '--timestamp-unit', unit]
    expect(await append(`{"at":${written}}`, '--format', 'json', ...fields)).toMatchObject({ status: 0 })
    const { stdout } = await run(['cat', 'orders/0', '--format', 'json'], { place })
    expect(JSON.parse(stdout)).toMatchObject({ timestampMs })
  })

  it.each([[[]], [['--format', 'json']]])('a UTF-8 byte order mark is skipped, with %j', async (args) => {
    const file = write('marked', '\uFEFF{"a":1}\n')
    await append('\uFEFF{"a":2}\n{"a":3}', ...args, file, '-')
    expect(await values()).toEqual(['{"a":1}', '{"a":2}', '{"a":3}'])
  })

  it('length-prefixed records are appended', async () => {
    const { status } = await append(Buffer.from('\0\0\0\u0003a\nb\0\0\0\0\0\0\0\u0001c'), '--format', 'prefixed')
    expect(status).toBe(0)
    expect(await values()).toEqual(['a\nb', '', 'c'])
  })

  it('files and standard input are appended in the order of the arguments', async () => {
    const [one, two] = [write('one', 'a\nb'), write('two', 'd\n')]
    expect(await append('c\n', one, '-', two)).toMatchObject({ status: 0 })
    expect(await values()).toEqual(['a', 'b', 'c', 'd'])
  })

  it('--offsets prints the offset of each record', async () => {
    await append('a\nb\n')
    expect(await append('c\nd\ne\n', '--offsets')).toEqual({ status: 0, stdout: '2\n3\n4\n', stderr: '' })
  })

  it('every record is appended even if the reader of the offsets exits', async () => {
    const file = write('many', numbered(0, 50_000))
    const script = `"$0" "$1" append orders/0 --offsets ${file} | head -n 1`
    expect(shell('sh', script)).toMatchObject({ status: 0, stdout: '0\n', stderr: '' })
    expect((await values()).length).toBe(50_000)
  })
})

describe('an error is one line on stderr, and the records before it are durable', () => {
  it.each([
    [
      '{"a":1}\nno\n',
      ['--format', 'json'],
      1,
      /^standard input, line 2: not valid JSON: .*; 1 record is durable in orders\/0, offset 0$/,
    ],
    ['{"a":1}\n\u007f\u0000\n', ['--format', 'json'], 1, /^standard input, line 2: not valid JSON: [ -~]*$/],
    [
      '{"a":1}\n',
      ['--format', 'json', '--timestamp-field', 't'],
      1,
      'standard input, line 1: field "t" is missing; expected a whole number of milliseconds since 1970 or an ISO 8601 time; no record was appended to orders/0',
    ],
    ['{"a":"x"}\n', ['--format', 'json', '--timestamp-field', 'a'], 1, /: field "a" is "x"; expected /],
    [
      '\0\0\0\u0001a\0\0\0\u0009bc',
      ['--format', 'prefixed'],
      1,
      'standard input, record 2: the input ends in the middle of a record: expected 13 bytes, found 6; 1 record is durable in orders/0, offset 0',
    ],
    [
      'GET / HTTP/1.1',
      ['--format', 'prefixed'],
      1,
      'standard input, record 1: the length of the record is 1195725856 bytes; the maximum is 16777216; no record was appended to orders/0',
    ],
    [
      'x'.repeat(17_000_000),
      [],
      1,
      /^standard input, line 1: longer than 16777216 bytes, the maximum size of a record; no record/,
    ],
    ['', ['missing'], 1, "cannot read the input: ENOENT: no such file or directory, stat 'missing'"],
    ['', ['.'], 1, '. is a directory'],
    ['a\n', ['--key-field', 'k'], 2, /need --format json$/],
    ['a\n', ['--timestamp-unit', 's', '--format', 'json'], 2, '--timestamp-unit needs --timestamp-field'],
    ...[1_795_672_800, 5, 0, -1, 1_795_672_800_123_456].map((written): [string, string[], number, RegExp] => [
      `{"t":${written}}\n`,
      ['--format', 'json', '--timestamp-field', 't'],
      1,
      new RegExp(`line 1: field "t" is ${written}, which may not be milliseconds; give the unit with --timestamp-unit`),
    ]),
    [
      '{"t":"2026-02-30"}\n',
      ['--format', 'json', '--timestamp-field', 't'],
      1,
      /field "t": 2026-02-30 does not exist: the day in 2026-02 is 30, expected 1 to 28; no/,
    ],
    ...[
      ['s', 'seconds'],
      ['ms', 'milliseconds'],
      ['us', 'microseconds'],
      ['ns', 'nanoseconds'],
    ].map(([unit = '', named]): [string, string[], number, RegExp] => [
      '{"t":-1}\n',
      ['--format', 'json', '--timestamp-field', 't', '--timestamp-unit', unit],
      1,
      new RegExp(`: field "t" is -1; expected a whole number of ${named} since 1970 or an ISO 8601 time; no record`),
    ]),
    [
      '{"t":"1795672800"}\n',
      ['--format', 'json', '--timestamp-field', 't'],
      1,
      / is "1795672800"; expected .*; if it is a number in a string, give --timestamp-unit s, ms, us or ns; no record/,
    ],
    ['{}\n\uFEFF{}\n', ['--format', 'json'], 1, /line 2: not valid JSON/],
    [
      Buffer.from('\uFEFF{}\n', 'utf16le'),
      ['--format', 'json'],
      1,
      'standard input, line 1: expected UTF-8, found a UTF-16 or UTF-32 byte order mark; convert the input, for example with iconv; no record was appended to orders/0',
    ],
    [Buffer.from('\uFEFFa\n', 'utf16le'), [], 1, /found a UTF-16 or UTF-32 byte order mark/],
    ['a\n', ['--resume-from', '-1'], 2, /Expected an offset: a whole number, 0 or more\.$/],
    [
      'a\n',
      ['--resume-from', '3'],
      1,
      'cannot resume from offset 3: the next offset of the log is 0; no record was appended to orders/0',
    ],
    [
      '{"t":"order 5"}\n',
      ['--format', 'json', '--timestamp-field', 't'],
      1,
      / is "order 5"; expected .* time; no record/,
    ],
    [
      '{"k":12345678901234567890}\n',
      ['--format', 'json', '--key-field', 'k'],
      1,
      /line 1: field "k" has a number over 2\^53 - 1, which is not read exactly; write it as a string; no record/,
    ],
    ['{"k":{"n":[9007199254740993]}}\n', ['--format', 'json', '--key-field', 'k'], 1, /has a number over 2\^53 - 1/],
  ])('%.20j %j', async (input, args, status, message) => {
    const ended = await append(input, ...args)
    expect(ended).toMatchObject({ status, stdout: '' })
    expect(ended.stderr).toMatch(/^sq-wal: .*\n$/)
    const told = ended.stderr.slice('sq-wal: '.length, -1)
    if (typeof message === 'string') expect(told).toBe(message)
    else expect(told).toMatch(message)
  })

  it('append refuses a log that another writer has open', async () => {
    const writer = await openExample(place, 'orders', 0)
    const { status, stderr } = await append('a\n')
    await writer.close()
    expect(status).toBe(1)
    expect(stderr).toMatch(
      /^sq-wal: cannot open the log for writing: another writer holds the lock on .*; no record .* \(a log has one writer: .*\)\n$/,
    )
  })
})

describe('--resume-from', () => {
  it('--resume-from skips the stored records and appends the rest', async () => {
    await append('before\n')
    await append(numbered(0, 10))
    const file = write('all', numbered(0, 15))
    expect(await append('', '--resume-from', '1', file)).toMatchObject({
      status: 0,
      stdout: '5 records are durable in orders/0, offsets 11-15\n',
    })
    expect(await append('', '--resume-from', '1', file)).toMatchObject({
      stdout: 'no record was appended to orders/0\n',
    })
    expect((await values()).join('\n')).toBe(`before\n${numbered(0, 15).trimEnd()}`)
  })

  it.each([
    [
      'another input',
      numbered(1, 15),
      /^cannot resume: the record at offset 0 differs from record 1 of the input; no record was appended/,
    ],
    [
      'an input of which the log has only the last record',
      `other\n${numbered(1, 15)}`,
      /offset 0 differs from record 1 of the input;/,
    ],
    [
      'a shorter input',
      numbered(0, 9),
      /^the log has 10 records from offset 0 on, the input no number 10; no record was appended/,
    ],
  ])('--resume-from refuses %s', async (_, input, message) => {
    await append(numbered(0, 10))
    const { status, stderr } = await append(input, '--resume-from', '0')
    expect(status).toBe(1)
    expect(stderr.slice('sq-wal: '.length, -1)).toMatch(message)
    expect(await values()).toHaveLength(10)
  })

  it('--resume-from after a SIGKILL neither loses nor repeats a record', async () => {
    const [count, file] = [200_000, write('many', numbered(0, 200_000))]
    const { child, ended } = start(['append', 'orders/0', '--offsets', file], { place })
    child.stdout.once('data', () => child.kill('SIGKILL'))
    const { status, stdout } = await ended
    expect(status).toBeNull()
    const acknowledged = stdout.split('\n').length - 1
    const before = (await values()).length
    expect(before).toBeGreaterThanOrEqual(acknowledged)
    expect(before).toBeLessThan(count)
    expect(await append('', '--resume-from', '0', file)).toMatchObject({ status: 0, stderr: '' })
    expect((await values()).map((value) => `${value}\n`).join('')).toBe(numbered(0, count))
  })
})

it('no log is created without a record to append', async () => {
  await append('')
  await append('no', '--format', 'json')
  await append('a', '--resume-from', '7')
  expect(readdirSync(place)).toEqual([])
})

it('append reads a pipe', async () => {
  expect(shell('sh', '(echo a; echo b) | "$0" "$1" append orders/0')).toMatchObject({ status: 0, stderr: '' })
  expect(await values()).toEqual(['a', 'b'])
})

it('a directory as standard input is an error', async () => {
  const script = '"$0" "$1" append orders/0 < .'
  const { status, stderr } = shell('sh', script)
  expect([status, stderr]).toEqual([1, 'sq-wal: standard input is a directory\n'])
})

it('after a failed write, the message says how many records are durable', async () => {
  const file = write('many', numbered(0, 200_000))
  // No file may grow past 1 MB: as with a full disk, a write fails.
  const script = `trap '' XFSZ; ulimit -f 1000; exec "$0" "$1" append orders/0 ${file}`
  const { status, stderr } = shell('bash', script)
  const found = await values()
  expect([status, stderr]).toEqual([
    1,
    expect.stringMatching(/^sq-wal: .*EFBIG.*; [\d,]+ records are durable in .*\n$/),
  ])
  expect(stderr).toContain(`; ${found.length.toLocaleString('en-US')} records are durable`)
  expect(await append('', '--resume-from', '0', file)).toMatchObject({ status: 0, stderr: '' })
  expect((await values()).map((value) => `${value}\n`).join('')).toBe(numbered(0, 200_000))
})

it('SIGINT ends append while it skips stored records', async () => {
  await append(`${'x'.repeat(300_000)}\n`)
  const { child, ended } = start(['append', 'orders/0', '--resume-from', '0'], { place })
  // More than a pipe holds: when it is written, the command has begun to read.
  child.stdin.write('x'.repeat(300_000), () => child.kill('SIGINT'))
  expect(await ended).toEqual({
    status: 130,
    stdout: '',
    stderr: 'sq-wal: interrupted by SIGINT; no record was appended to orders/0\n',
  })
})

it.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('on %s append ends, and the records read before are durable', async (signal, status) => {
  const { child, ended } = start(['append', 'orders/0', '--offsets'], { place })
  child.stdin.write('a\nb\n')
  let written = ''
  child.stdout.on('data', (chunk: Buffer) => {
    written += String(chunk)
    if (written === '0\n1\n') child.kill(signal)
  })
  expect(await ended).toEqual({
    status,
    stdout: '0\n1\n',
    stderr: `sq-wal: interrupted by ${signal}; 2 records are durable in orders/0, offsets 0-1\n`,
  })
  const { problems, notes, records } = await verify(new NodeFileSystem(), { dataDir: place }, 'orders', 0)
  expect({ problems, notes, records }).toEqual({ problems: [], notes: [], records: 2 })
})
