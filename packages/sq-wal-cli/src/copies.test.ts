/** Commands that copy, compare and salvage logs, and logs at any path. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NodeFileSystem } from '@sq/sim'
import { dumpSegment, WalReader, WalWriter } from '@sq/storage'
import { afterEach, beforeEach, describe, expect, it, test, vi } from 'vitest'
import * as command from './testing/command.ts'
import type { Ended } from './testing/command.ts'
import { makeExampleLogs } from './testing/example-log.ts'

// On a busy machine, starting a process takes long.
vi.setConfig({ testTimeout: 60_000 })

let place: string

beforeEach(async () => {
  place = mkdtempSync(join(tmpdir(), 'sq-wal-test-'))
  await makeExampleLogs(join(place, 'data'))
})
afterEach(() => rmSync(place, { recursive: true }))

function run(...args: string[]): Promise<Ended> {
  return command.run(args, { place })
}

async function done(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await run(...args)
  expect([status, stderr]).toEqual([0, ''])
  return stdout
}

function records(log: string): Promise<string> {
  return done('cat', log, '--format', 'json')
}

async function appendTo(log: string, values: readonly string[], { ends = false } = {}): Promise<void> {
  const [dataDir = '', topic = '', partition] = log.split('/')
  const writer = await WalWriter.open(new NodeFileSystem(), { dataDir: join(place, dataDir) }, topic, Number(partition))
  for (const value of values) await writer.append({ value: Buffer.from(value), timestampMs: 5 })
  if (ends) await writer.closeActiveSegment()
  await writer.close()
}

async function deleteRecords(topic: string, partition: number, before: bigint): Promise<void> {
  const writer = await WalWriter.open(new NodeFileSystem(), { dataDir: join(place, 'data') }, topic, partition)
  await writer.deleteRecords(before)
  await writer.close()
}

function segmentNames(log: string): string[] {
  return readdirSync(join(place, log))
    .filter((name) => name.endsWith('.wal'))
    .toSorted()
}

describe('get', () => {
  test('prints the bytes of a value and nothing else', async () => {
    expect(await done('get', 'data/orders/0', '3')).toBe('order 3')
  })

  test('writes them to a file', async () => {
    expect(await done('get', 'orders/0', '13', '-d', 'data', '--output', 'value')).toBe('')
    expect([...readFileSync(join(place, 'value'))]).toEqual([0xff, 0x00, 0x1b, 0x5b, 0x33, 0x31, 0x6d])
  })

  it.each([
    [['data/orders/0', '14'], 'offset 14 is not in orders/0: the log begins at 0 and ends before 14'],
    [
      ['data/orders/0', '3', '--output', 'no/where'],
      "cannot write the value: ENOENT: no such file or directory, open 'no/where'",
    ],
  ])('%j fails', async (args, message) => {
    expect(await run('get', ...args)).toEqual({ status: 1, stdout: '', stderr: `sq-wal: ${message}\n` })
  })

  test('a record without a value is an error', async () => {
    const writer = await WalWriter.open(new NodeFileSystem(), { dataDir: join(place, 'data') }, 'none', 0)
    await writer.append({ value: null })
    await writer.close()
    expect((await run('get', 'data/none/0', '0')).stderr).toBe(
      'sq-wal: the record at offset 0 of none/0 has no value\n',
    )
  })
})

describe('cp', () => {
  it.each([
    ['its own name', [], 'copy/orders/0'],
    ['another name', ['--as', 'other/7'], 'copy/other/7'],
  ])('copies a log under %s, with its offsets', async (_, as, path) => {
    const stdout = await done('cp', 'data/orders/0', 'copy', ...as)
    expect(stdout).toMatch(new RegExp(`^${path}: offsets 0-13, [13] segments?, .* kB; verified\n$`))
    expect(await records(path)).toBe(await records('data/orders/0'))
    expect(await done('verify', path)).toMatch(/: no problem; 14 records/)
    expect(readdirSync(join(place, 'copy'))).toHaveLength(1)
  })

  test('a log that begins at a later offset keeps it', async () => {
    await done('retain', 'data/orders/0', '--before', '5', '--yes')
    await done('cp', 'data/orders/0', 'copy', '--as', 'other/7')
    expect(await records('copy/other/7')).toBe(await records('data/orders/0'))
  })

  test('an empty log is copied', async () => {
    await done('cp', 'data/audit/7', 'copy', '--as', 'other/7')
    expect(await done('verify', 'copy/other/7')).toMatch(/no problem; 0 records/)
  })

  it.each([[[]], [['--as', 'other/7']]])('an existing log is not replaced (%j)', async (as) => {
    await done('cp', 'data/orders/0', 'copy', ...as)
    const { status, stderr } = await run('cp', 'data/audit/7', 'copy', '--as', as[1] ?? 'orders/0')
    expect([status, stderr]).toEqual([1, expect.stringContaining('exists already')])
  })

  it.each([[[]], [['--as', 'other/7']]])('a damaged log is not copied, and nothing is left (%j)', async (as) => {
    damage('data/orders/0/00000000000000000004.wal', 300)
    const { status, stderr } = await run('cp', 'data/orders/0', 'copy', ...as)
    expect([status, stderr]).toEqual([1, expect.stringContaining('00000000000000000004.wal is damaged')])
    expect(
      existsSync(join(place, 'copy')) ? readdirSync(join(place, 'copy')).filter((name) => name !== 'orders') : [],
    ).toEqual([])
  })
})

test.each([
  ['cp', ['cp', 'data/orders/0', 'target', '--as', 'linked/3']],
  ['salvage', ['salvage', 'data/linked/0', '--to', 'target']],
  ['backup', ['backup', 'linked/0', '-d', 'data', '--to', 'target']],
])('%s does not follow a link out of its target', async (_, args) => {
  await done('cp', 'data/orders/0', 'data', '--as', 'linked/0')
  for (const directory of ['target', 'outside']) mkdirSync(join(place, directory))
  symlinkSync(join(place, 'outside'), join(place, 'target/linked'))
  const { status, stderr } = await run(...args)
  expect([status, stderr]).toEqual([1, expect.stringContaining('is a symbolic link')])
  expect(readdirSync(join(place, 'outside'))).toEqual([])
})

describe('diff', () => {
  test('a copy has the same records, however it is divided', async () => {
    await done('cp', 'data/orders/0', 'copy', '--as', 'other/7')
    expect(await done('diff', 'data/orders/0', 'copy/other/7')).toBe('the same records at offsets 0-13\n')
  })

  test('a longer log is told', async () => {
    cpSync(join(place, 'data'), join(place, 'copy'), { recursive: true })
    await appendTo('copy/orders/0', ['more'])
    expect(await run('diff', 'data/orders/0', 'copy/orders/0')).toEqual({
      status: 1,
      stdout: 'the same records at offsets 0-13\nthe first log has offsets 0-13; the second has offsets 0-14\n',
      stderr: '',
    })
  })

  test('the first different record is shown of both', async () => {
    cpSync(join(place, 'data'), join(place, 'copy'), { recursive: true })
    await done('truncate', 'copy/orders/0', '--from', '12', '--yes')
    await appendTo('copy/orders/0', ['other', 'x'])
    const { status, stdout } = await run('diff', 'data/orders/0', 'copy/orders/0')
    expect([status, stdout]).toEqual([
      1,
      'the same records at offsets 0-11\nthe records differ at offset 12:\n' +
        '< 12 2026-11-22 20:12:00.000Z order 12\n> 12 1970-01-01 00:00:00.005Z other\n',
    ])
    const { difference, to }: { difference: string; to: number } = JSON.parse(
      (await run('diff', 'data/orders/0', 'copy/orders/0', '--json')).stdout,
    )
    expect([difference, to]).toEqual(['the records differ', 12])
  })
})

describe('verify --digest', () => {
  test('copies with the same records have the same digest, others do not', async () => {
    await done('cp', 'data/orders/0', 'copy', '--as', 'other/7')
    const digest = async (log: string): Promise<unknown> => {
      const report: { digest?: string } = JSON.parse(await done('verify', log, '--digest', '--json'))
      return report.digest
    }
    const before = await digest('data/orders/0')
    expect(before).toMatch(/^[0-9a-f]{64}$/)
    expect(await digest('copy/other/7')).toBe(before)
    await appendTo('copy/other/7', ['more'])
    expect(await digest('copy/other/7')).not.toBe(before)
    expect(await done('verify', 'data/orders/0', '--digest')).toContain(
      `\n  sha256 of the records: ${String(before)}\n`,
    )
  })
})

describe('backup and restore', () => {
  test('a backup gets only what is new, and a restored log is the same', async () => {
    expect(await done('backup', '--all', '-d', 'data', '--to', 'backup')).toBe(
      'audit/7: 0 segments backed up, 0 B; it has next offset 0\n' +
        'orders/0: 3 segments backed up, 12.5 kB; it has offsets 0-13\n',
    )
    expect(await done('backup', 'orders/0', '-d', 'data', '--to', 'backup')).toMatch(
      /^orders\/0: 0 segments backed up, 0 B/,
    )
    await appendTo('data/orders/0', ['new'], { ends: true })
    await appendTo('data/orders/0', ['newer'])
    expect(await done('backup', 'orders/0', '-d', 'data', '--to', 'backup')).toMatch(
      /^orders\/0: 3 segments backed up, .*; it has offsets 0-15\n$/,
    )
    expect(segmentNames('backup/orders/0')).toEqual(segmentNames('data/orders/0'))
    expect(readdirSync(join(place, 'backup')).toSorted()).toEqual(['audit', 'orders'])
    await done('restore', '--all', '--from', 'backup', '-d', 'restored')
    expect(await records('restored/orders/0')).toBe(await records('data/orders/0'))
    await appendTo('restored/orders/0', ['goes on'])
    expect(await done('verify', '--all', '-d', 'restored')).not.toContain('problem(')
  })

  test('what retention deletes from a log stays in its backup', async () => {
    await done('backup', 'orders/0', '-d', 'data', '--to', 'backup')
    await done('retain', 'data/orders/0', '--before', '8', '--yes')
    await appendTo('data/orders/0', ['new'])
    await done('backup', 'orders/0', '-d', 'data', '--to', 'backup')
    expect(await done('verify', 'backup/orders/0')).toMatch(/no problem; 15 records in 4 segments/)
  })

  test('a log that was truncated, made again, or has lost what is between is refused, and the backup stays', async () => {
    await appendTo('data/orders/0', ['new'], { ends: true })
    await done('backup', 'orders/0', '-d', 'data', '--to', 'backup')
    const before = await records('backup/orders/0')
    await done('truncate', 'data/orders/0', '--from', '5', '--yes')
    const truncated = await run('backup', 'orders/0', '-d', 'data', '--to', 'backup')
    expect([truncated.status, truncated.stderr]).toEqual([1, expect.stringContaining('was truncated since')])
    rmSync(join(place, 'data/orders/0'), { recursive: true })
    await appendTo(
      'data/orders/0',
      Array.from({ length: 20 }, () => 'x'),
    )
    expect((await run('backup', 'orders/0', '-d', 'data', '--to', 'backup')).stderr).toContain(
      'is not the log of the backup',
    )
    expect(await records('backup/orders/0')).toBe(before)
  })

  test('a log whose segments after the backup were deleted is refused', async () => {
    await done('backup', 'orders/0', '-d', 'data', '--to', 'backup')
    await appendTo('data/orders/0', ['a'], { ends: true })
    await appendTo('data/orders/0', ['b'], { ends: true })
    await appendTo('data/orders/0', ['c'])
    await done('retain', 'data/orders/0', '--before', '15', '--yes')
    const { status, stderr } = await run('backup', 'orders/0', '-d', 'data', '--to', 'backup')
    expect([status, stderr]).toEqual([1, expect.stringContaining('the segments between them were deleted')])
  })

  test('a log that was empty when it was backed up gets its records', async () => {
    await done('backup', 'audit/7', '-d', 'data', '--to', 'backup')
    await appendTo('data/audit/7', ['first', 'second'])
    await done('backup', 'audit/7', '-d', 'data', '--to', 'backup')
    await done('backup', 'audit/7', '-d', 'data', '--to', 'backup')
    expect(await records('backup/audit/7')).toBe(await records('data/audit/7'))
  })

  test('records that were deleted while the log was empty in its backup stay deleted there', async () => {
    await done('backup', 'audit/7', '-d', 'data', '--to', 'backup')
    await appendTo('data/audit/7', ['first', 'second', 'third'])
    await deleteRecords('audit', 7, 1n)
    await done('backup', 'audit/7', '-d', 'data', '--to', 'backup')
    expect(await records('backup/audit/7')).toBe(await records('data/audit/7'))
  })

  test('records deleted within the last segment of a backup do not keep later ones out of it', async () => {
    await done('backup', 'orders/0', '-d', 'data', '--to', 'backup')
    await deleteRecords('orders', 0, 13n)
    await appendTo('data/orders/0', ['new'], { ends: true })
    await appendTo('data/orders/0', ['newer'])
    await done('backup', 'orders/0', '-d', 'data', '--to', 'backup')
    expect(await done('verify', 'backup/orders/0')).toMatch(/no problem; 16 records/)
    expect(await records('backup/orders/0')).toContain(await records('data/orders/0'))
  })

  test('a log is not backed up to itself, and its files stay as they are', async () => {
    symlinkSync(join(place, 'data'), join(place, 'same'))
    const before = statSync(join(place, 'data/orders/0', segmentNames('data/orders/0').at(-1) ?? '')).ino
    for (const to of ['data', 'same']) {
      const { status, stderr } = await run('backup', 'orders/0', '-d', 'data', '--to', to)
      expect([status, stderr]).toEqual([1, expect.stringContaining('is the log itself')])
    }
    expect(statSync(join(place, 'data/orders/0', segmentNames('data/orders/0').at(-1) ?? '')).ino).toBe(before)
  })

  test('a restored log that went on in another way is refused, and the backup stays', async () => {
    await appendTo('data/orders/0', ['shared'])
    await done('backup', 'orders/0', '-d', 'data', '--to', 'backup')
    await done('restore', 'orders/0', '--from', 'backup', '-d', 'restored')
    await appendTo('data/orders/0', ['one'])
    await done('backup', 'orders/0', '-d', 'data', '--to', 'backup')
    await appendTo('restored/orders/0', ['other', 'another'])
    const { status, stderr } = await run('backup', 'orders/0', '-d', 'restored', '--to', 'backup')
    expect([status, stderr]).toEqual([1, expect.stringContaining('is not the log of the backup')])
    expect(await records('backup/orders/0')).toBe(await records('data/orders/0'))
  })

  test('a backup is refused while another one works on the same log', async () => {
    await done('backup', 'orders/0', '-d', 'data', '--to', 'backup')
    await appendTo('data/orders/0', ['new'])
    const lock = await new NodeFileSystem().lock(join(place, 'backup/orders/0/lock'))
    const { status, stderr } = await run('backup', 'orders/0', '-d', 'data', '--to', 'backup')
    await lock.release()
    expect([status, stderr]).toEqual([
      1,
      expect.stringMatching(/^sq-wal: cannot lock the backup .*backup\/orders\/0: /),
    ])
    expect(await done('verify', 'backup/orders/0')).toMatch(/no problem; 14 records/)
  })

  test('what an interrupted backup has left is removed by the next one', async () => {
    await done('backup', 'orders/0', '-d', 'data', '--to', 'backup')
    await done('cp', 'data/orders/0', 'backup/orders/~sq-wal-0')
    await appendTo('data/orders/0', ['new'])
    await done('backup', 'orders/0', '-d', 'data', '--to', 'backup')
    expect(readdirSync(join(place, 'backup/orders'))).toEqual(['0'])
    expect(await records('backup/orders/0')).toBe(await records('data/orders/0'))
  })

  test('restore does not replace a log', async () => {
    await done('backup', 'orders/0', '-d', 'data', '--to', 'backup')
    const { status, stderr } = await run('restore', 'orders/0', '--from', 'backup', '-d', 'data')
    expect([status, stderr]).toEqual([1, expect.stringContaining('EEXIST')])
  })
})

describe('a log at any path', () => {
  test('a directory of segments is read, whatever its name', async () => {
    renameSync(join(place, 'data/orders/0'), join(place, 'found'))
    expect(await done('cat', 'found', '--format', 'raw', '--count', '2')).toBe('order 0\norder 1\n')
    expect(await done('verify', 'found')).toMatch(/^orders\/0: no problem; 14 records/)
    expect(await done('segments', 'found')).toContain('00000000000000000008.wal  active')
    await done('cp', 'found', 'copy')
    expect(await done('diff', 'found', 'copy/orders/0')).toBe('the same records at offsets 0-13\n')
  })

  test('one segment file is read, whatever its name', async () => {
    cpSync(join(place, 'data/orders/0/00000000000000000004.wal'), join(place, 'piece'))
    expect(await done('cat', 'piece', '--format', 'raw')).toBe('order 4\norder 5\norder 6\norder 7\n')
    expect(await done('tail', 'data/orders/0/00000000000000000004.wal', '-n', '1', '--format', 'raw')).toBe('order 7\n')
    expect(await done('get', 'piece', '5')).toBe('order 5')
  })

  test('an error names the path that was given', async () => {
    renameSync(join(place, 'data/orders/0'), join(place, 'found'))
    damage('found/00000000000000000004.wal', 300)
    expect((await run('cat', 'found')).stderr).toMatch(/^sq-wal: found\/00000000000000000004\.wal is damaged/)
  })

  test('nothing is written there', async () => {
    renameSync(join(place, 'data/orders/0'), join(place, 'found'))
    for (const args of [
      ['retain', 'found', '--age', '1d', '--yes'],
      ['truncate', 'found', '--from', '1', '--yes'],
    ]) {
      expect((await run(...args)).status).toBe(2)
    }
  })
})

describe('a log in the directory of another', () => {
  beforeEach(() => {
    mkdirSync(join(place, 'data/old'))
    renameSync(join(place, 'data/orders/0'), join(place, 'data/old/3'))
  })

  test('verify reports one problem, which says where it belongs, and no repair', async () => {
    const { status, stdout } = await run('verify', 'old/3', '-d', 'data', '--json')
    expect(status).toBe(1)
    const report: { problems: unknown[]; records: number } = JSON.parse(stdout)
    expect(report.problems).toEqual([
      expect.objectContaining({
        kind: 'misplaced',
        reason:
          'its segments are those of orders/0, but the directory is for old/3: move it to orders/0 of a data directory, ' +
          'or copy it with "sq-wal cp --as old/3"',
        repairs: [],
      }),
    ])
    expect(report.records).toBe(14)
    expect((await run('verify', '--all', '-d', 'data')).stdout).toContain('misplaced')
  })

  test('repair changes nothing, and says where it belongs', async () => {
    const { status, stderr } = await run('repair', 'data/old/3', '--yes')
    expect([status, stderr]).toEqual([
      1,
      expect.stringContaining('nothing to repair: its segments are those of orders/0'),
    ])
  })

  test('it can be read, and a line says what it is', async () => {
    expect(await run('cat', 'old/3', '-d', 'data', '--count', '1', '--format', 'raw')).toEqual({
      status: 0,
      stdout: 'order 0\n',
      stderr: 'sq-wal: the directory old/3 holds the segments of orders/0\n',
    })
  })

  test('a copy under the name of its directory is a good log', async () => {
    await done('cp', 'data/old/3', 'copy', '--as', 'old/3')
    expect(await done('verify', 'copy/old/3')).toMatch(/no problem; 14 records/)
  })
})

function damage(path: string, position: number): void {
  const bytes = readFileSync(join(place, path))
  bytes[position] = (bytes[position] ?? 0) ^ 0xff
  writeFileSync(join(place, path), bytes)
}

/** The offsets that can be read, and those of opaque batches. */
async function offsetsOf(dataDir: string, topic: string): Promise<{ read: number[]; lost: string[] }> {
  const reader = await WalReader.open(new NodeFileSystem(), { dataDir: join(place, dataDir) }, topic, 0)
  const [read, lost]: [number[], string[]] = [[], []]
  for await (const batch of reader.readBatches()) {
    if (batch.isOpaque) lost.push(`${batch.baseOffset}-${batch.nextOffset - 1n}`)
    else for (const { offset } of batch.records()) read.push(Number(offset))
  }
  return { read, lost }
}

describe('salvage', () => {
  test('one flipped bit costs its commit only, and all other records keep their offsets', async () => {
    damage('data/orders/0/00000000000000000004.wal', 300)
    const stdout = await done('salvage', 'data/orders/0', '--to', 'saved')
    expect(stdout).toMatch(
      /^saved\/orders\/0: 13 offsets of 14 salvaged, 0-13\n {2}lost: offsets (\d)-\1\nEach lost range is /,
    )
    const { read, lost } = await offsetsOf('saved', 'orders')
    expect([read.length, lost.length]).toEqual([13, 1])
    expect(await done('verify', 'saved/orders/0')).toMatch(/no problem/)
    const original = (await run('cat', 'data/orders/0', '--format', 'json')).stdout.split('\n')
    const saved = (await run('cat', 'saved/orders/0', '--format', 'json')).stdout.split('\n')
    expect(saved).toEqual(expect.arrayContaining(original))
  })

  it.each([
    ['header', (from: number) => from],
    ['body', (_: number, to: number) => to - 9],
  ])('damage in the %s of a frame costs the records of the frame', async (_, positionIn) => {
    const segment = 'data/orders/0/00000000000000000004.wal'
    for await (const part of dumpSegment(new NodeFileSystem(), join(place, segment))) {
      if (part.kind === 'records' && part.header.baseOffset === 5) damage(segment, positionIn(part.from, part.to))
    }
    await done('salvage', 'data/orders/0', '--to', 'saved')
    const { read, lost } = await offsetsOf('saved', 'orders')
    expect([read.length, lost]).toEqual([13, ['5-5']])
  })

  it.each([
    ['the head of a segment', () => damage('data/orders/0/00000000000000000004.wal', 40), ['4-7']],
    ['a segment', () => rmSync(join(place, 'data/orders/0/00000000000000000004.wal')), ['4-7']],
    ['nothing', () => {}, []],
  ])('what is lost of %s is stated in the log', async (_, harm, ranges) => {
    harm()
    await done('salvage', 'data/orders/0', '--to', 'saved', '--json')
    const { read, lost } = await offsetsOf('saved', 'orders')
    expect(lost).toEqual(ranges)
    expect(read).toHaveLength(ranges.length === 0 ? 14 : 10)
  })

  test('the records of a last segment that cannot be read are told as lost', async () => {
    damage('data/orders/0/00000000000000000008.wal', 40)
    expect(await done('salvage', 'data/orders/0', '--to', 'saved')).toBe(
      'saved/orders/0: 8 offsets of 8 salvaged, 0-7\n' +
        '  lost: offsets 8 on; how many cannot be told\n' +
        'A writer of the new log uses the offsets from 8 on again.\n',
    )
    const { lost }: { lost: unknown } = JSON.parse(await done('salvage', 'data/orders/0', '--to', 'other', '--json'))
    expect(lost).toEqual([{ firstOffset: 8, nextOffset: null }])
  })

  test('deleted records do not come back', async () => {
    await deleteRecords('orders', 0, 6n)
    damage('data/orders/0/00000000000000000008.wal', 300)
    await done('salvage', 'data/orders/0', '--to', 'saved')
    const { read } = await offsetsOf('saved', 'orders')
    expect(read[0]).toBe(6)
  })

  test('records of a failed write do not come back', async () => {
    const { makePicturedLog } = await import('./testing/pictured-log.ts')
    await makePicturedLog(join(place, 'pictured'))
    await done('salvage', 'pictured/orders/0', '--to', 'saved')
    expect(await done('diff', 'pictured/orders/0', 'saved/orders/0')).toMatch(/^the same records at offsets 0-\d+\n$/)
  })

  test('the damaged log is not changed, and an existing log is not replaced', async () => {
    damage('data/orders/0/00000000000000000004.wal', 300)
    const before = segmentNames('data/orders/0').map((name) => readFileSync(join(place, 'data/orders/0', name)))
    await done('salvage', 'data/orders/0', '--to', 'saved')
    expect((await run('salvage', 'data/orders/0', '--to', 'saved')).status).toBe(1)
    expect(segmentNames('data/orders/0').map((name) => readFileSync(join(place, 'data/orders/0', name)))).toEqual(
      before,
    )
  })

  test('a log without a readable commit is an error', async () => {
    for (const name of segmentNames('data/orders/0')) writeFileSync(join(place, 'data/orders/0', name), 'nothing')
    const { status, stderr } = await run('salvage', 'data/orders/0', '--to', 'saved')
    expect([status, stderr]).toEqual([1, 'sq-wal: no commit of orders/0 can be read\n'])
  })
})
