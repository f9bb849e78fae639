/** The file that says where a log begins: its bytes, and what happens if they are not right. */
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { CorruptLogError, UnsupportedFormatError } from '../../errors.ts'
import { repair, verify, WalReader, WalWriter } from '../../index.ts'
import type { LogProblem, RepairKind } from '../../index.ts'
import { flipped } from '../../testing/hand-bytes.ts'
import { append, LogFixture } from '../../testing/log-fixture.ts'
import { MIXED_VALUES, mixedLog } from '../../testing/mixed-log.ts'
import { segmentName } from '../segment.ts'
import { encodeLogStart, listedLog, startAmong } from './log-start.ts'
import { segmentsAmong } from './segment-listing.ts'

const PARTITION = { topic: 'orders', partition: 0, directory: '/data/orders/0' }
const START = encodeLogStart(7, PARTITION)

let log: LogFixture
let path: string

beforeEach(async () => {
  log = await mixedLog()
  path = join(log.directory, 'log-start')
})

async function place(content: Buffer): Promise<void> {
  await log.make(path, content)
}

function outcome(pending: Promise<unknown>): Promise<unknown> {
  return pending.catch((error: unknown) => error)
}

/** What readers and a writer say, which must be the same, and must change nothing. */
async function refusal(): Promise<unknown> {
  const before = await log.files()
  const opened = await outcome(log.open())
  const { values, error } = await log.outcome()
  expect(values).toEqual([])
  expect(error).toEqual(opened)
  const reader = await WalReader.open(log.fs, log.config, 'orders', 0)
  expect(await outcome(reader.fetch({ from: 8n }))).toEqual(opened)
  expect(await outcome(reader.offsetAt(0))).toEqual(opened)
  expect({ lock: '', ...(await log.files()) }).toEqual({ lock: '', ...before })
  expect(log.fs.openHandles).toBe(0)
  return opened
}

async function problems(): Promise<readonly LogProblem[]> {
  return (await verify(log.fs, log.config, 'orders', 0)).problems
}

test('a log start is twenty bytes with magic, version, offset and a checksum', () => {
  expect(START.toString('hex')).toBe('53514c530100000007000000000000008eceaf57')
  expect(encodeLogStart(2 ** 53 - 1, PARTITION).toString('hex', 8, 16)).toBe('ffffffffffff1f00')
})

test('a log start says where the log begins', async () => {
  await place(START)
  expect(await log.values()).toEqual(MIXED_VALUES.slice(7))
  expect(await problems()).toEqual([])
})

test('a log start that is gone since the directory was listed is none', async () => {
  expect(await startAmong(log.fs, PARTITION, ['log-start'])).toBe(0)
  await place(START)
  expect(await startAmong(log.fs, PARTITION, ['log-start'])).toBe(7)
  expect(await startAmong(log.fs, PARTITION, [])).toBe(0)
})

test.each([
  [0, [], [0, 2, 6], 0],
  [1, [], [0, 2, 6], 1],
  [2, [0], [2, 6], 2],
  [5, [0], [2, 6], 5],
  [6, [0, 2], [6], 6],
  [9, [0, 2], [6], 9],
])('a log of segments 0, 2 and 6 that begins at offset %d has deleted %j and has %j', (start, deleted, left, first) => {
  const listed = segmentsAmong([0, 2, 6].map(segmentName), log.directory)
  const found = listedLog(listed, start)
  expect(found.deleted.map(({ baseOffset }) => baseOffset)).toEqual(deleted)
  expect(found.segments.map(({ baseOffset }) => baseOffset)).toEqual(left)
  expect(found).toMatchObject({ start, firstOffset: first })
})

test('a log without segments begins at its log start, and has deleted none', () => {
  expect(listedLog([], 7)).toEqual({ segments: [], deleted: [], start: 7, firstOffset: 7 })
})

describe('a log start that is not right', () => {
  test.each(Array.from({ length: 8 * START.length }, (_, bit) => bit))('(bit %d flipped) is refused', async (bit) => {
    await place(flipped(START, bit))
    const error = await refusal()
    const isVersion = bit >= 32 && bit < 48
    expect(error).toBeInstanceOf(isVersion ? UnsupportedFormatError : CorruptLogError)
    expect(error).toMatchObject({ path })
  })

  test.each([
    ['empty', Buffer.alloc(0), 'expected the log start, found 0 bytes'],
    ['short', START.subarray(0, -1), 'expected 20 bytes, found 19'],
    ['long', Buffer.concat([START, Buffer.alloc(1)]), 'expected 20 bytes, found 21'],
    ['cut after its magic', START.subarray(0, 5), 'found 5 bytes of something else'],
    ['cut after its version', START.subarray(0, 8), 'expected 20 bytes, found 8'],
    ['something else', Buffer.from('not a log start'), 'of something else'],
    ['that of another partition', encodeLogStart(7, { ...PARTITION, partition: 1 }), 'expected the checksum 0x'],
    ['that of another topic', encodeLogStart(7, { ...PARTITION, topic: 'order' }), 'expected the checksum 0x'],
  ])('(%s) is refused, and a repair removes it', async (_, content, reason) => {
    await place(content)
    expect(await refusal()).toMatchObject({
      code: 'SQ_WAL_CORRUPT',
      path,
      from: 0,
      to: content.length,
      firstOffset: 0n,
      lastOffset: -1n,
      reason: expect.stringContaining(reason),
    })
    const [problem, ...others] = await problems()
    expect(others).toEqual([])
    const repairs = [{ kind: 'remove-log-start', firstOffset: 0n, nextOffset: 11n, readableRecordsLost: 0 }]
    expect(problem).toMatchObject({ kind: 'log-start', path, repairs })
    if (problem === undefined) return
    const chosen: { problem: LogProblem; repair: RepairKind } = { problem, repair: 'remove-log-start' }
    expect(await repair(log.fs, log.config, 'orders', 0, chosen)).toEqual({ quarantined: [] })
    log.fs.crash()
    expect(await problems()).toEqual([])
    expect(await log.values()).toEqual(MIXED_VALUES)
    expect(await outcome(repair(log.fs, log.config, 'orders', 0, chosen))).toMatchObject({
      code: 'SQ_WAL_PROBLEM_CHANGED',
    })
  })

  test.each([
    ['a newer version', flipped(START, 33), 4],
    ['a newer, shorter version', flipped(START, 33).subarray(0, 8), 4],
    ['an offset over 2^53 - 1', encodeLogStart(2 ** 53, PARTITION), 8],
  ])('(%s) is unsupported, and nothing of the log is repaired', async (_, content, position) => {
    await place(content)
    await log.overwrite(log.path(0), flipped(await log.file(log.path(0)), 8 * 200))
    expect(await refusal()).toMatchObject({ code: 'SQ_WAL_UNSUPPORTED', path, position })
    const found = await problems()
    expect(found).toContainEqual(expect.objectContaining({ kind: 'unsupported', path, repairs: [] }))
    for (const { repairs } of found) for (const { kind } of repairs) expect(kind).toBe('restore')
  })

  test('(a directory) is no file', async () => {
    await log.fs.mkdir(path)
    expect(await outcome(log.open())).toMatchObject({ code: 'SQ_WAL_IO', path, cause: { code: 'EISDIR' } })
    expect((await log.outcome()).error).toMatchObject({ code: 'SQ_WAL_IO', path })
    expect(await problems()).toMatchObject([{ kind: 'not-a-file', path, repairs: [] }])
  })

  test('(unreadable) is a read error', async () => {
    await place(START)
    log.fs.faults.failAlways('read', 'EIO', (at) => at === path)
    expect(await outcome(log.open())).toMatchObject({ code: 'SQ_WAL_IO', path })
    expect(await problems()).toMatchObject([{ kind: 'unreadable', path, repairs: [] }])
  })
})

/** Damages a value in the third segment. */
async function damageAt(position: number, value: string): Promise<void> {
  const content = await log.file(log.path(6))
  expect(content.toString('latin1', position, position + 1)).toBe(value)
  await log.overwrite(log.path(6), content.fill(0xff, position, position + 1))
}

describe('a problem of a log whose records are deleted', () => {
  test('counts only records that are left', async () => {
    await place(START)
    await damageAt(256, 'h')
    const [problem] = await problems()
    expect(problem).toMatchObject({ kind: 'frame', firstOffset: 7n, lastOffset: 7n })
    expect(problem?.repairs).toContainEqual({
      kind: 'drop-from',
      firstOffset: 7n,
      nextOffset: 7n,
      readableRecordsLost: 3,
    })
    expect(problem?.repairs).toContainEqual({
      kind: 'drop-through',
      firstOffset: 8n,
      nextOffset: 11n,
      readableRecordsLost: 0,
    })
  })

  test('before the log start leaves an empty log there if the end is given up', async () => {
    await place(START)
    // This record is deleted, but readers cannot pass it.
    await damageAt(184, 'g')
    const [problem] = await problems()
    const offer = { kind: 'drop-from', firstOffset: 7n, nextOffset: 7n, readableRecordsLost: 4 }
    expect(problem?.repairs).toContainEqual(offer)
    if (problem === undefined) return
    await repair(log.fs, log.config, 'orders', 0, { problem, repair: 'drop-from' })
    expect(await verify(log.fs, log.config, 'orders', 0)).toMatchObject({
      firstOffset: 7n,
      nextOffset: 7n,
      problems: [],
    })
    expect(await log.outcome()).toEqual({ values: [], error: null })
    const writer = await WalWriter.open(log.fs, log.config, 'orders', 0)
    expect(await append(writer, 'next')).toBe(7n)
  })

  test('is none if its segment has only deleted records', async () => {
    await place(START)
    await log.overwrite(log.path(0), Buffer.alloc(100))
    await log.overwrite(log.path(2), Buffer.alloc(100))
    expect(await problems()).toEqual([])
    expect(await log.values()).toEqual(MIXED_VALUES.slice(7))
    await log.open()
    expect(await log.segmentNames()).toHaveLength(2)
  })
})
