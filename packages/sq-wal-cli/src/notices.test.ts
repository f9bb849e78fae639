/** Notices on stderr in cases where the output alone would mislead. */
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, test, vi } from 'vitest'
import * as command from './testing/command.ts'
import type { Ended } from './testing/command.ts'
import { makeExampleLogs, openExample } from './testing/example-log.ts'

// On a busy machine, starting a process takes long.
vi.setConfig({ testTimeout: 60_000 })

const ADVICE = 'set the data directory with --data-dir or $SQ_WAL_DIR'

let place: string

beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), 'sq-wal-test-'))
  mkdirSync(join(place, 'empty'))
  await makeExampleLogs(join(place, 'data'))
  await makeUnordered('late/0', [
    [1, 2, 9, 3, 4],
    [5, 6, 2],
    [7, 8],
  ])
  await makeUnordered('ordered/0', [
    [1, 2, 3],
    [4, 5],
  ])
})
afterAll(() => rmSync(place, { recursive: true }))

/** Creates a log whose records have timestamps at these minutes, segment by segment. */
async function makeUnordered(name: string, segments: readonly (readonly number[])[]): Promise<void> {
  const [topic = '', partition] = name.split('/')
  const writer = await openExample(join(place, 'data'), topic, Number(partition))
  for (const minutes of segments) {
    for (const minute of minutes)
      await writer.append(null, Buffer.from(String(minute)), [], Date.UTC(2026, 0, 1, 0, minute))
    await writer.closeActiveSegment()
  }
  await writer.close()
}

function run(...args: string[]): Promise<Ended> {
  return command.run(args, { place })
}

function at(minute: number): string {
  return `2026-01-01T00:0${minute}`
}

describe('without a log', () => {
  test('verify --all fails if there is no log', async () => {
    const told = `sq-wal: there is no log in empty; ${ADVICE}\n`
    expect(await run('verify', '--all', '-d', 'empty')).toEqual({ status: 1, stdout: '', stderr: told })
    expect(await run('verify', '--all', '-d', 'empty', '--json')).toEqual({ status: 1, stdout: '[]\n', stderr: told })
  })

  test('ls says that there is no log', async () => {
    const stderr = `sq-wal: there is no log in empty; ${ADVICE}\n`
    expect(await run('ls', 'empty')).toEqual({ status: 0, stdout: '', stderr })
    expect(await run('ls', 'empty', '--json')).toEqual({ status: 0, stdout: '[]\n', stderr })
  })
})

describe('if no record is printed, a line on stderr says why', () => {
  it.each([
    [['cat', 'data/audit/7'], 'no records in this range'],
    [['tail', 'data/audit/7'], 'no records in this range'],
    [['cat', 'data/orders/0', '--from', '5', '--to', '5'], 'no records in this range'],
    [['cat', 'data/orders/0', '--key', 'nobody'], 'none of 14 records matches --key'],
    [['tail', '-n', '3', 'data/orders/0', '--grep', 'nothing'], 'none of 14 records matches --grep'],
    [['cat', 'data/orders/0', '--key', 'x', '--grep', 'y'], 'none of 14 records matches --key and --grep'],
    [['cat', 'data/orders/0', '--from', '2030-01-01'], 'no records in this range'],
  ])('%j', async (args, message) => {
    expect(await run(...args)).toEqual({ status: 0, stdout: '', stderr: `sq-wal: ${message}\n` })
  })

  it.each([
    ['tail', '-n', '0', 'data/orders/0'],
    ['cat', 'data/orders/0'],
    ['tail', 'data/orders/0'],
  ])('no notice if a record is printed or none was requested: %s %s %s %s', async (...args) => {
    expect(await run(...args.filter((arg) => arg !== undefined))).toMatchObject({ status: 0, stderr: '' })
  })
})

describe('if timestamps are out of order', () => {
  it.each([
    [
      ['--from', at(5), '--to', at(8)],
      '',
      [
        'no records in this range',
        '--to 2026-01-01 00:08:00.000Z selects the position of offset 2, and at least 1 record from there on has an earlier timestamp; --until includes them',
      ],
    ],
    [
      ['--from', at(3)],
      '9 3 4 5 6 2 7 8',
      [
        '--from 2026-01-01 00:03:00.000Z selects a position, and 1 record of this output has an earlier timestamp; --since leaves them out',
      ],
    ],
    [
      ['--to', at(5)],
      '1 2',
      [
        '--to 2026-01-01 00:05:00.000Z selects the position of offset 2, and at least 2 records from there on have earlier timestamps; --until includes them',
      ],
    ],
    [['--from', at(3), '--count', '3'], '9 3 4', []],
    [['--from', '3', '--to', '5'], '3 4', []],
  ])('cat %j says how many records have an earlier timestamp', async (args, values, notices) => {
    const { status, stdout, stderr } = await run('cat', 'data/late/0', '--format', 'raw', ...args)
    expect([status, stdout.trimEnd().replaceAll('\n', ' ')]).toEqual([0, values])
    const told = notices.map(
      (notice) => `sq-wal: ${notice.startsWith('--') ? 'timestamps are out of order: ' : ''}${notice}\n`,
    )
    expect(stderr).toBe(told.join(''))
  })

  test.each([
    [[], 'would drop 8 records, offsets 2-9; nothing was changed, add --yes to drop\n'],
    [['--yes'], 'dropped 8 records, offsets 2-9\n'],
  ])('truncate %j says how many records have an earlier timestamp', async (args, told) => {
    cpSync(join(place, 'data/late'), join(place, 'cut/late'), { recursive: true })
    const { stdout, stderr } = await run('truncate', 'cut/late/0', '--from', at(5), ...args)
    expect(stdout).toBe(told)
    expect(stderr).toMatch(
      /^sq-wal: timestamps are out of order: --from .* offset 2, and at least 2 records .* have earlier timestamps\n$/,
    )
  })

  it.each([
    ['--from', at(2), '--to', at(4)],
    ['--to', at(4)],
    ['--from', at(2)],
  ])('no notice if timestamps are in order: %s %s %s %s', async (...args) => {
    const { stdout, stderr } = await run(
      'cat',
      'data/ordered/0',
      '--format',
      'raw',
      ...args.filter((arg) => arg !== undefined),
    )
    expect([stdout.startsWith('1\n') || stdout.startsWith('2\n'), stderr]).toEqual([true, ''])
  })
})

test('an offset beyond the log, which may be meant as seconds, gives a notice or an error', async () => {
  expect(await run('cat', 'data/ordered/0', '--from', '3', '--to', '1795672800')).toMatchObject({
    status: 0,
    stderr: 'sq-wal: --to 1795672800 is an offset, but the last record is 4; write a time as @SECONDS\n',
  })
  expect(await run('retain', 'data/ordered/0', '--before', '1795672800', '--yes')).toEqual({
    status: 1,
    stdout: '',
    stderr:
      'sq-wal: --before 1795672800 is after the end of the log, whose next offset is 5; write a time as @SECONDS\n',
  })
})
