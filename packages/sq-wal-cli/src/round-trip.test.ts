/** Records that `cat` prints and `append` reads, and inputs of other programs. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import * as zlib from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it, test, vi } from 'vitest'
import * as command from './testing/command.ts'
import type { Ended } from './testing/command.ts'
import { openExample } from './testing/example-log.ts'

// On a busy machine, starting a process takes long.
vi.setConfig({ testTimeout: 60_000 })

let place: string

beforeEach(async () => {
  place = mkdtempSync(join(tmpdir(), 'sq-wal-test-'))
  const writer = await openExample(join(place, 'data'), 'web', 3)
  const headers = [
    { key: 'h', value: Buffer.from('1') },
    { key: 'h', value: Buffer.from([0xff, 0xfe]) },
  ]
  await writer.append(Buffer.from('k\n"'), Buffer.from('say "hi"\nthere \u{1F600}'), headers, 1000)
  await writer.append(null, null, [], 0)
  await writer.append(Buffer.from(''), Buffer.from([0xff, 0x22]), [], Number.MAX_SAFE_INTEGER)
  await writer.close()
})
afterEach(() => rmSync(place, { recursive: true }))

function run(args: readonly string[], input: string | Uint8Array = ''): Promise<Ended> {
  return command.run(args, { place }, input)
}

function append(args: readonly string[], input: string | Uint8Array): Promise<Ended> {
  return run(['append', 'data/copy/0', ...args], input)
}

async function values(): Promise<string> {
  return (await run(['cat', 'data/copy/0', '--format', 'raw', '--delimiter', '|'])).stdout
}

describe('append --format sq', () => {
  test('what cat --format json prints becomes the same records', async () => {
    const { stdout } = await run(['cat', 'data/web/3', '--format', 'json'])
    expect(await append(['--format', 'sq', '--check-offsets'], stdout)).toMatchObject({ status: 0, stderr: '' })
    expect((await run(['cat', 'data/copy/0', '--format', 'json'])).stdout).toBe(stdout)
  })

  test('records of several logs become one log', async () => {
    const { stdout } = await run(['cat', '--all', '-d', 'data', '--format', 'json'])
    expect((await append(['--format', 'sq'], stdout)).status).toBe(0)
  })

  test('--check-offsets stops at a record that would get another offset', async () => {
    const { stdout } = await run(['cat', 'data/web/3', '--format', 'json'])
    const lines = stdout.split('\n')
    const gap = await append(['--format', 'sq', '--check-offsets'], `${lines[0]}\n${lines[2]}\n`)
    expect([gap.status, gap.stderr]).toEqual([
      1,
      'sq-wal: --check-offsets: the record has offset 2, but would get offset 1; 1 record is durable in copy/0, offset 0\n',
    ])
    const late = await append(['--format', 'sq', '--check-offsets'], `${lines[0]}\n`)
    expect(late.stderr).toContain('the record has offset 0, but would get offset 1; no record was appended')
    const none = await append(['--format', 'sq', '--check-offsets'], '{"timestampMs":1,"key":null,"value":null}\n')
    expect(none.stderr).toContain('the record has no offset, but would get offset 1')
  })

  it.each([
    ['[1]', /line 1: the line is not a JSON object/],
    ['{"timestampMs":1,"key":null}', /field "value" is missing; expected null, a string/],
    ['{"key":null,"value":"a"}', /field "timestampMs" is missing; expected a whole number/],
    ['{"timestampMs":1,"key":7,"value":"a"}', /field "key" is 7; expected null, a string/],
    ['{"timestampMs":1,"key":null,"value":{"base64":"a"}}', /field "value" is {"base64":"a"}; expected/],
    [String.raw`{"timestampMs":1,"key":null,"value":"\ud800"}`, /field "value" is .*lone surrogates/],
    ['{"timestampMs":1,"key":null,"value":"a","headers":[{"key":"h","value":null}]}', /headers\[0\]\.value/],
    ['{"timestampMs":1,"key":null,"value":"a","ofset":1}', /unknown field "ofset"/],
  ])('%s is refused', async (line, message) => {
    const { status, stderr } = await append(['--format', 'sq'], `${line}\n`)
    expect(status).toBe(1)
    expect(stderr).toMatch(message)
  })
})

describe('fields of JSON', () => {
  it.each([
    ['--value-field', 'v', '{"v":"a"}', 'a|'],
    ['--value-field', 'v', '{"v":{"b":[1]}}', '{"b":[1]}|'],
    ['--value-field', 'v', '{"v":null}', ''],
    ['--value-field', 'a.b', '{"a":{"b":"deep"}}', 'deep|'],
    ['--value-field', 'a.b', '{"a.b":"flat","a":{"b":"deep"}}', 'flat|'],
    ['--value-field', 'a.b.c', '{"a.b":{"c":"mixed"}}', 'mixed|'],
  ])('%s %s of %s', async (option, name, line, expected) => {
    expect((await append(['--format', 'json', option, name], `${line}\n`)).status).toBe(0)
    expect(await values()).toBe(expected)
  })

  test('a missing value field is an error', async () => {
    const { status, stderr } = await append(['--format', 'json', '--value-field', 'v'], '{"w":1}\n')
    expect([status, stderr]).toEqual([
      1,
      'sq-wal: standard input, line 1: field "v" is missing; null is no value; no record was appended to copy/0\n',
    ])
  })

  test('keys and headers have dotted names, too', async () => {
    const args = ['--format', 'json', '--key-field', 'user.id', '--header-field', 'user.name']
    expect((await append(args, '{"user":{"id":7,"name":"x"}}\n')).status).toBe(0)
    const { stdout } = await run(['cat', 'data/copy/0', '-f', '%k %h'])
    expect(stdout).toBe('7 user.name=x')
  })
})

describe('compressed input', () => {
  it.each(['lines', 'json', 'sq', 'prefixed'])('gzip is decompressed in the format %s', async (format) => {
    const inputs: Record<string, string> = {
      lines: 'a\nb\n',
      json: '1\n2\n',
      sq: '{"timestampMs":1,"key":null,"value":"a"}\n',
      prefixed: '\0\0\0\u0001a',
    }
    const input = inputs[format] ?? ''
    writeFileSync(join(place, 'input.gz'), gzipSync(input))
    expect((await append(['--format', format, 'input.gz'], '')).status).toBe(0)
    const plain = await values()
    expect((await append(['--format', format], Buffer.concat([gzipSync(input), gzipSync(input)]))).status).toBe(0)
    expect(await values()).toBe(plain + plain + plain)
  })

  test('damaged gzip is an error, and what came before is durable', async () => {
    const good = gzipSync('a\n'.repeat(100_000))
    for (const bad of [good.subarray(0, -9), Buffer.concat([good.subarray(0, 60), Buffer.alloc(99, 1)])]) {
      const { status, stderr } = await append([], bad)
      expect(status).toBe(1)
      expect(stderr).toMatch(/the gzip data is damaged or ends too early: .*durable|no record/)
    }
  })

  test('a byte order mark in gzip is left out', async () => {
    expect((await append([], gzipSync('\uFEFFa\n'))).status).toBe(0)
    expect(await values()).toBe('a|')
  })

  test('Zstandard is decompressed if Node can, and else told', async () => {
    const compress: unknown = Reflect.get(zlib, 'zstdCompressSync')
    const frame = Buffer.from('28b52ffd0402110000610a0a', 'hex')
    const ended = await append([], typeof compress === 'function' ? compress(Buffer.from('a\n')) : frame)
    if (typeof compress === 'function') {
      expect(ended).toMatchObject({ status: 0, stderr: '' })
    } else {
      expect(ended.stderr).toMatch(
        /compressed with Zstandard, which Node v20\S+ cannot decompress; pipe it through zstd -dc/,
      )
    }
  })

  test('a line is appended before the next one arrives', async () => {
    const { child, ended } = command.start(['append', 'data/copy/0', '--offsets'], { place })
    child.stdin.write('\n')
    const [first]: unknown[] = await new Promise((resolve) => child.stdout.once('data', (data) => resolve([data])))
    expect(String(first)).toBe('0\n')
    child.stdin.end()
    expect((await ended).status).toBe(0)
  })
})

describe('an input that may not be what was meant is told', () => {
  it.each([
    ['lines', 'a\nb\0c\n', /^sq-wal: standard input: line 2 has NUL bytes; .* --format prefixed\n$/],
    ['json', '[1,2]\n', /^sq-wal: standard input: the input is one JSON array, .* jq -c '\.\[\]'\n$/],
  ])('%s %j', async (format, input, message) => {
    const { status, stderr } = await append(['--format', format], input)
    expect(status).toBe(0)
    expect(stderr).toMatch(message)
  })

  test('an array over several lines is an error that says what to do', async () => {
    const { status, stderr } = await append(['--format', 'json'], '[\n1,\n2\n]\n')
    expect(status).toBe(1)
    expect(stderr).toMatch(
      /line 1: not valid JSON: .*; if the input is one array, put each element on a line: jq -c '\.\[\]'/,
    )
  })

  test('arrays on lines are not', async () => {
    expect((await append(['--format', 'json'], '[1]\n[2]\n')).stderr).toBe('')
  })
})
