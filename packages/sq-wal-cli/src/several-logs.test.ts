/** Commands on several logs: by name, by pattern, and all. */
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, it, test, vi } from 'vitest'
import * as command from './testing/command.ts'
import type { Ended, Started } from './testing/command.ts'
import { openExample } from './testing/example-log.ts'

// On a busy machine, starting a process takes long.
vi.setConfig({ testTimeout: 60_000 })

let place: string

beforeEach(async () => {
  place = mkdtempSync(join(tmpdir(), 'sq-wal-test-'))
  await make('web', 0, ['a', 'b', 'c'])
  await make('web', 1, ['d', 'e'])
  await make('orders', 0, ['f'])
})
afterEach(() => rmSync(place, { recursive: true }))

async function make(topic: string, partition: number, values: readonly string[]): Promise<void> {
  const writer = await openExample(join(place, 'data'), topic, partition)
  await Promise.all(values.map((value, at) => writer.append(Buffer.from(`k${at}`), Buffer.from(value), [], 1000 + at)))
  await writer.close()
}

function damage(log: string): void {
  writeFileSync(join(place, 'data', log, '00000000000000000000.wal'), 'something else')
}

function run(...args: string[]): Promise<Ended> {
  return command.run([...args], { place })
}

function start(...args: string[]): Started {
  return command.start(args, { place })
}

/** The next text that a command writes to a stream. */
async function next(stream: NodeJS.ReadableStream): Promise<string> {
  const [chunk]: unknown[] = await once(stream, 'data')
  return String(chunk)
}

describe('cat and tail print the records of each log, one log after the other', () => {
  it.each([
    ['by name', ['web/1', 'orders/0', '-d', 'data'], 'd e f'],
    ['by path', ['data/web/1', 'data/orders/0'], 'd e f'],
    ['by pattern', ['web/*', '-d', 'data'], 'a b c d e'],
    ['by the pattern of a topic', ['*/0', '-d', 'data'], 'f a b c'],
    ['by the pattern of a letter', ['web/?', '-d', 'data'], 'a b c d e'],
    ['by the pattern of a path', ['data/w*/1'], 'd e'],
    ['all', ['--all', '-d', 'data'], 'f a b c d e'],
    ['each once', ['web/*', 'web/1', '-d', 'data'], 'a b c d e'],
  ])('%s', async (_, selection, values) => {
    const raw = ['--format', 'raw', '--delimiter', ' ']
    for (const name of ['cat', 'tail']) {
      expect(await run(name, ...selection, ...raw)).toEqual({ status: 0, stdout: `${values} `, stderr: '' })
    }
  })

  test('--count is for each log', async () => {
    const raw = ['--format', 'raw', '--delimiter', ' ', '-d', 'data', '--count', '1']
    expect((await run('cat', 'web/*', ...raw)).stdout).toBe('a d ')
    expect((await run('tail', 'web/*', ...raw)).stdout).toBe('c e ')
  })

  it.each([
    ['json', '{"topic":"web","partition":1,"offset":0,"timestampMs":1000,"key":"k0","value":"d","headers":[]}\n'],
    ['text', String.raw`web/1 0 1970-01-01 00:00:01.000Z k0: d` + '\n'],
    ['hex', /^web\/1 0 1970-01-01 00:00:01\.000Z key k0, 1 byte\n/],
    ['csv', 'topic,partition,offset,timestampMs,key,value,headers\nweb,1,0,1000,"k0","d",\n'],
  ])('with %s, each record has its topic and partition', async (format, expected) => {
    const { stdout } = await run('cat', 'web/1*', '-d', 'data', '--format', format, '--count', '1')
    if (typeof expected === 'string') expect(stdout).toBe(expected)
    else expect(stdout).toMatch(expected)
  })
})

describe('a log that cannot be read does not hide the others', () => {
  test('cat prints the others, and fails', async () => {
    damage('web/0')
    const { status, stdout, stderr } = await run('cat', '--all', '-d', 'data', '--format', 'raw')
    expect([status, stdout]).toEqual([1, 'f\nd\ne\n'])
    expect(stderr).toMatch(/^sq-wal: web\/0: .* is damaged .*\n$/)
  })

  test('a name that is no log is told, and the others are read', async () => {
    const { status, stdout, stderr } = await run('tail', 'nope/0', 'web/1', '-d', 'data', '--format', 'raw')
    expect([status, stdout, stderr]).toEqual([1, 'd\ne\n', 'sq-wal: nope/0: there is no log in data/nope/0\n'])
  })

  test('verify of several is a list of reports as JSON', async () => {
    damage('web/0')
    const { status, stdout } = await run('verify', 'web/*', '-d', 'data', '--json')
    expect(status).toBe(1)
    const reports: { partition: number; problems: unknown[] }[] = JSON.parse(stdout)
    expect(reports.map(({ partition, problems }) => [partition, problems.length])).toEqual([
      [0, 1],
      [1, 0],
    ])
  })
})

describe('the arguments select no log', () => {
  it.each(['cat', 'tail', 'verify', 'segments', 'retain --age 1d'])('%s', async (text) => {
    const args = text.split(' ')
    const none = await run(...args)
    expect([none.status, none.stderr]).toEqual([
      2,
      "sq-wal: expected logs (TOPIC/PARTITION), patterns ('web/*'), or --all\n",
    ])
    expect((await run(...args, 'web/0', '--all', '-d', 'data')).status).toBe(2)
    const unmatched = await run(...args, 'nope/*', '-d', 'data')
    expect([unmatched.status, unmatched.stderr]).toEqual([1, 'sq-wal: no log in data matches nope/*\n'])
    const empty = await run(...args, '--all', '-d', '/proc/self/net')
    expect(empty.status).toBe(1)
    expect(empty.stderr).toContain('set the data directory with --data-dir or $SQ_WAL_DIR')
  })

  it.each(['web*', '*/web/0/1', '*'])('%s is not a pattern', async (pattern) => {
    const { status, stderr } = await run('cat', pattern, '-d', 'data')
    expect(status).toBe(2)
    expect(stderr).toMatch(/expected a pattern for TOPIC\/PARTITION/)
  })
})

describe('ls', () => {
  it.each([
    [
      ['-d', 'data', 'web/*'],
      ['web/0', 'web/1'],
    ],
    [['data/orders/0'], ['orders/0']],
    [
      ['-d', 'data', 'orders/0', 'web/1'],
      ['orders/0', 'web/1'],
    ],
    [['data'], ['orders/0', 'web/0', 'web/1']],
  ])('ls %j lists these logs', async (args, names) => {
    const { status, stdout } = await run('ls', ...args)
    expect(status).toBe(0)
    const rows = stdout.trimEnd().split('\n').slice(1)
    // The last row has the sums, if there are several logs.
    const logs = names.length > 1 ? rows.slice(0, -1) : rows
    expect(logs.map((row) => row.split(' ')[0])).toEqual(names)
  })
})

describe('segments and retain', () => {
  test('several logs are printed under their names', async () => {
    const { status, stdout } = await run('segments', 'web/*', '-d', 'data')
    expect(status).toBe(0)
    expect(stdout).toMatch(/^web\/0:\nSEGMENT [^]*\n\nweb\/1:\nSEGMENT /)
  })

  test('segments --json of several logs is one list, and --svg is refused', async () => {
    const rows: { topic: string; partition: number }[] = JSON.parse(
      (await run('segments', '--all', '-d', 'data', '--json')).stdout,
    )
    expect(rows.map(({ topic, partition }) => `${topic}/${partition}`)).toEqual(['orders/0', 'web/0', 'web/1'])
    expect((await run('segments', '--all', '-d', 'data', '--svg', '-')).status).toBe(2)
  })

  test('retain --yes deletes from each log, and only from those', async () => {
    const { status, stdout } = await run('retain', 'web/*', '-d', 'data', '--age', '1d', '--yes', '--json')
    expect(status).toBe(0)
    const done: { partition: number; done: boolean; segments: unknown[] }[] = JSON.parse(stdout)
    expect(done.map(({ partition, segments }) => [partition, segments.length])).toEqual([
      [0, 1],
      [1, 1],
    ])
    expect((await run('cat', '--all', '-d', 'data', '--format', 'raw')).stdout).toBe('f\n')
  })
})

describe('tail', () => {
  test('--count counts the records that match', async () => {
    const values = Array.from({ length: 5000 }, (_, at) => `${at}`)
    await make('many', 0, values)
    const tail = ['tail', 'many/0', '-d', 'data', '--format', 'raw', '--delimiter', ' ']
    expect((await run(...tail, '-n', '3', '--grep', '7$')).stdout).toBe('4977 4987 4997 ')
    expect((await run(...tail, '-n', '2', '--key', 'k1', '--key', 'k3000', '--key', 'k2')).stdout).toBe('2 3000 ')
    expect((await run(...tail, '-n', '9', '--key', 'k1')).stdout).toBe('1 ')
    const none = await run(...tail, '-n', '0', '--key', 'k1')
    expect([none.stdout, none.stderr]).toEqual(['', ''])
    expect((await run(...tail, '--key', 'none')).stderr).toBe('sq-wal: none of 5,000 records matches --key\n')
  })

  it.each([
    [['--from', '1'], 'b c '],
    [['--from', '@1.002'], 'c '],
  ])('%j says where to begin', async (from, values) => {
    expect((await run('tail', 'data/web/0', '--format', 'raw', '--delimiter', ' ', ...from)).stdout).toBe(values)
  })

  test('--from and --count exclude each other', async () => {
    expect((await run('tail', 'data/web/0', '--from', '1', '-n', '2')).status).toBe(2)
  })

  test('--follow prints new records of all logs as they come', async () => {
    const tail = start('tail', '-f', '-n', '1', '--all', '-d', 'data', '--format', 'json')
    const lines = createInterface({ input: tail.child.stdout })[Symbol.asyncIterator]()
    // Each log is followed once its last record is printed.
    for (let count = 0; count < 3; count++) await lines.next()
    const shown: unknown[] = []
    for (const [topic, partition] of [
      ['web', 1],
      ['orders', 0],
      ['web', 0],
    ] as const) {
      await make(topic, partition, ['new'])
      const { value } = await lines.next()
      shown.push(Object.values(JSON.parse(value)).slice(0, 3))
    }
    expect(shown).toEqual([
      ['web', 1, 2],
      ['orders', 0, 1],
      ['web', 0, 3],
    ])
    tail.child.kill('SIGINT')
    expect((await tail.ended).status).toBe(0)
  })

  test('--follow waits for a log that does not exist yet', async () => {
    const tail = start('tail', '-f', 'data/later/0', '--format', 'raw')
    expect(await next(tail.child.stderr)).toBe('sq-wal: waiting for data/later/0, which does not exist yet\n')
    const line = next(tail.child.stdout)
    await make('later', 0, ['first'])
    expect(await line).toBe('first\n')
    tail.child.kill('SIGINT')
    expect((await tail.ended).status).toBe(0)
  })

  test('--follow finds logs that match a pattern later, and prints all of their records', async () => {
    const tail = start('tail', '-f', '-n', '1', 'web/*', '-d', 'data', '--format', 'raw')
    const lines = createInterface({ input: tail.child.stdout })[Symbol.asyncIterator]()
    const shown = [await lines.next(), await lines.next()]
    await make('web', 2, ['new', 'newer'])
    shown.push(await lines.next(), await lines.next())
    expect(new Set(shown.map(({ value }) => value))).toEqual(new Set(['c', 'e', 'new', 'newer']))
    tail.child.kill('SIGINT')
    expect((await tail.ended).status).toBe(0)
  })

  test('--follow of several logs ends quietly at Ctrl-C while it waits', async () => {
    const tail = start('tail', '-f', 'nope/0', 'nope/1', '-d', 'data')
    await next(tail.child.stderr)
    tail.child.kill('SIGINT')
    const { status, stderr } = await tail.ended
    expect([status, stderr.includes('internal error')]).toEqual([0, false])
  })
})

describe('--exit-status', () => {
  it.each(['cat', 'tail'])('%s fails if no record is printed', async (name) => {
    const args = [name, '--all', '-d', 'data', '--exit-status', '--format', 'raw']
    expect((await run(...args, '--key', 'k2')).status).toBe(0)
    expect((await run(...args, '--key', 'none')).status).toBe(1)
  })
})
