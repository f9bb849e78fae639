/**
 * Recycled files: whatever the segment left that a file held before, and wherever a commit over it is torn, the log has
 * the records of its own segment, damage to them is found, and stale bytes are not taken for a torn commit.
 */
import { Random } from '@sq/sim'
import type { FileSystem } from '@sq/sim'
import { describe, expect, test } from 'vitest'
import { dumpSegment, listSegments, verify, WalReader, WalWriter } from '../index.ts'
import type { SegmentPart } from '../index.ts'
import { inAnotherProcess } from '../testing/another-process.ts'
import { flipOutcomes } from '../testing/bit-flips.ts'
import { joined } from '../testing/hand-bytes.ts'
import { append, LogFixture } from '../testing/log-fixture.ts'
import { MeasuredFiles } from '../testing/measured-files.ts'
import { withTrailer, writtenOver } from '../testing/recycled-bytes.ts'
import { SegmentBytes } from '../testing/segment-bytes.ts'
import { frameEnd, FrameType } from './format/frame.ts'
import { encodeEnding } from './format/seal.ts'
import { segmentName } from './segment.ts'

const SECTOR_BYTES = 512
const MIB = 1024 * 1024
const VALUES = ['first', 'second'.repeat(60), 'third'.repeat(300)]

function commits(segmentId: bigint, values: readonly string[] = VALUES): SegmentBytes {
  const segment = new SegmentBytes({ segmentId })
  for (const value of values) segment.records(value)
  return segment
}

/** What a file may have held before. The first has the very same records at the same positions. */
const SAME_RECORDS = commits(2n, [...VALUES, 'fourth', 'fifth'])
const EARLIER: readonly [string, SegmentBytes][] = [
  ['the same records', SAME_RECORDS],
  ['the same records, which end in the last commit', commits(2n, ['first', 'second'.repeat(60), 'third'.repeat(290)])],
  [
    'other records',
    commits(
      2n,
      Array.from({ length: 90 }, (_, at) => `${at}`.repeat(at % 50)),
    ),
  ],
  ['a sealed segment', commits(2n, ['x'.repeat(5000)]).seal()],
  [
    'several frames in each commit',
    new SegmentBytes({ segmentId: 2n }).write(['a'], ['b']).write(['c'], ['d'.repeat(4000)]),
  ],
  ['fewer bytes than are written now', commits(2n, ['y'.repeat(30)])],
]

/** At least so many bytes, ended by a trailer. */
function spare(earlier: Buffer, atLeast = 6000): Buffer {
  const rest = Buffer.from(new Random(5).bytes(Math.max(atLeast - earlier.length, 16)))
  return withTrailer(joined(earlier, rest))
}

async function logOf(file: Buffer): Promise<LogFixture> {
  const log = new LogFixture()
  await log.makeSegments({ baseOffset: 0, bytes: file })
  return log
}

async function dumped(log: LogFixture): Promise<SegmentPart[]> {
  const parts: SegmentPart[] = []
  for await (const part of dumpSegment(log.fs, log.path(0))) parts.push(part)
  return parts
}

/** What a file may have after the last whole frame. */
interface Left {
  readonly torn: boolean
  /** The number of records before. */
  readonly records: number
}

/** Expects that readers, `verify` and recovery find the first records in a file, and nothing after them. */
async function expectFound(file: Buffer, { torn, records }: Left): Promise<void> {
  const log = await logOf(file)
  const values = VALUES.slice(0, records)
  const end = records === 0 ? commits(1n).headBytes : frameEnd(commits(1n).at(records - 1))
  for (const fs of [log.fs, inAnotherProcess(log.fs, new Random(1))]) {
    const reader = await WalReader.open(fs, log.config, 'orders', 0)
    const read: string[] = []
    for await (const { value } of reader.read()) read.push(String(value))
    expect(read).toEqual(values)
  }
  const report = await verify(log.fs, log.config, 'orders', 0)
  expect([report.problems, report.records]).toEqual([[], records])
  expect(report.notes.map(({ kind, from }) => ({ kind, from }))).toEqual(torn ? [{ kind: 'torn', from: end }] : [])
  expect(await listSegments(log.fs, log.config, 'orders', 0)).toMatchObject([{ bytes: end, records }])

  const writer = await log.open()
  expect(writer.recovery).toMatchObject({ kind: torn ? 'torn' : 'clean', nextOffset: BigInt(records) })
  expect((await log.file(log.path(0))).subarray(end).includes(file.subarray(-16))).toBe(false)
  await append(writer, 'next')
  log.fs.crash()
  expect(await log.values()).toEqual([...values, 'next'])
}

describe.each(EARLIER)('over %s', (_, earlier) => {
  const now = commits(1n)
  const file = spare(earlier.bytes)

  test.each([0, 1, 2, 3])('%d commits are found, and no byte behind them is torn', async (records) => {
    const end = records === 0 ? now.headBytes : frameEnd(now.at(records - 1))
    await expectFound(writtenOver(file, now.bytes.subarray(0, end)), { records, torn: false })
  })

  test('a commit of which any sectors were written is there as a whole, or not at all', async () => {
    const last = now.at(2)
    const before = writtenOver(file, now.bytes.subarray(0, last.position))
    const first = Math.floor(last.position / SECTOR_BYTES)
    const sectors = Math.ceil(now.bytes.length / SECTOR_BYTES) - first
    for (let choice = 0; choice < 2 ** sectors; choice++) {
      const torn = Buffer.from(before)
      for (let sector = 0; sector < sectors; sector++) {
        if ((choice & (1 << sector)) === 0) continue
        const from = Math.max((first + sector) * SECTOR_BYTES, last.position)
        const to = Math.min((first + sector + 1) * SECTOR_BYTES, now.bytes.length)
        now.bytes.copy(torn, from, from, to)
      }
      const isWhole = torn.subarray(0, now.bytes.length).equals(now.bytes)
      const hasHeader = torn.subarray(0, last.position + 40).equals(now.bytes.subarray(0, last.position + 40))
      await expectFound(torn, isWhole ? { records: 3, torn: false } : { records: 2, torn: hasHeader })
    }
  })

  test('a commit that was torn at any byte is not there', async () => {
    const { position } = now.at(1)
    for (let cut = position; cut < frameEnd(now.at(1)); cut += 23) {
      const torn = writtenOver(file, now.bytes.subarray(0, cut))
      const isWhole = torn.subarray(0, frameEnd(now.at(1))).equals(now.bytes.subarray(0, frameEnd(now.at(1))))
      const torn40 = cut >= position + 40
      await expectFound(torn, isWhole ? { records: 2, torn: false } : { records: 1, torn: torn40 })
    }
  })
})

test('every single bit flipped in a commit that a later frame confirms is refused', async () => {
  const now = commits(1n)
  const files = new Map([[segmentName(0), writtenOver(spare(SAME_RECORDS.bytes, 2000), now.bytes)]])
  const log = { topic: 'orders', partition: 0, files }
  const [from, to] = [now.headBytes, frameEnd(now.at(0))]
  expect(await flipOutcomes(log, { name: segmentName(0), from, to })).toEqual({
    'refuses to read, refuses to open': 8 * (to - from),
  })
})

test('of a commit of several frames, those before the first torn one are there, and the later ones are torn', async () => {
  const now = new SegmentBytes().write(['a'.repeat(600)], ['b'.repeat(600)], ['c'], ['d'])
  const file = spare(commits(2n, ['z'.repeat(7000)]).bytes)
  const torn = writtenOver(file, now.bytes)
  file.copy(torn, now.at(1).position, now.at(1).position, now.at(1).position + 100)
  const log = await logOf(torn)
  const { recovery } = await log.open()
  const { position } = now.at(1)
  expect(recovery.torn).toEqual({ path: log.path(0), position, discardedBytes: now.bytes.length - position })
  expect(await log.values()).toEqual(['a'.repeat(600)])
})

test('a torn commit that ends after the end of the file is torn up to there', async () => {
  const now = commits(1n)
  const file = spare(commits(2n, ['z'.repeat(900)]).bytes, 1500)
  const log = await logOf(writtenOver(file, now.bytes.subarray(0, now.at(2).position + 40)))
  const { position } = now.at(2)
  expect(position + 40).toBeLessThan(file.length - 16)
  expect((await dumped(log)).at(-1)).toMatchObject({ kind: 'bad', from: position, to: file.length })
  const { recovery } = await log.open()
  expect(recovery.torn).toMatchObject({ position, discardedBytes: file.length - position })
})

test('a dump shows stale bytes as one part, after a torn commit', async () => {
  const now = commits(1n)
  const file = spare(commits(2n, ['z'.repeat(9000)]).bytes)
  const log = await logOf(writtenOver(file, now.bytes))
  expect((await dumped(log)).at(-1)).toEqual({
    kind: 'stale',
    from: now.bytes.length,
    to: file.length,
    bytes: Buffer.alloc(0),
  })
  await log.overwrite(log.path(0), writtenOver(file, now.bytes.subarray(0, now.bytes.length - 100)))
  expect((await dumped(log)).slice(-2)).toMatchObject([
    { kind: 'bad', from: now.at(2).position, to: frameEnd(now.at(2)) },
    { kind: 'stale', from: frameEnd(now.at(2)), to: file.length },
  ])
})

test('a copy that was cut has no trailer: what follows the last frame looks torn', async () => {
  const now = commits(1n)
  const file = writtenOver(spare(commits(2n, ['z'.repeat(9000)]).bytes), now.bytes)
  const log = await logOf(file.subarray(0, file.length - 8))
  const { recovery } = await log.open()
  expect(recovery).toMatchObject({ kind: 'torn', nextOffset: 3n })
  expect(await log.values()).toEqual(VALUES)
})

test('a frame that ends where the trailer begins leaves nothing torn, and one over the trailer leaves no stale bytes', async () => {
  const now = commits(1n)
  for (const [more, last] of [
    [16, 'stale'],
    [8, 'bad'],
    [0, 'records'],
  ] as const) {
    const file = withTrailer(Buffer.alloc(now.bytes.length + more, 7))
    const log = await logOf(writtenOver(file, now.bytes))
    expect((await dumped(log)).at(-1)?.kind).toBe(last)
    expect((await log.open()).recovery.nextOffset).toBe(3n)
  }
})

test('the ignored tail of an abandoned segment ends with the last frame of that segment', async () => {
  const file = spare(commits(2n, ['z'.repeat(9000)]).bytes)
  for (const rejected of ['', 'rejected']) {
    const first = new SegmentBytes().records('a')
    const { link } = first
    const second = new SegmentBytes({ baseOffset: 1, previous: link }).records('b')
    if (rejected !== '') first.records(rejected)
    const log = new LogFixture()
    await log.makeSegments({ baseOffset: 0, bytes: writtenOver(file, first.bytes) }, second)
    const { problems, notes } = await verify(log.fs, log.config, 'orders', 0)
    const tail = { kind: 'ignored-tail', from: link.end, to: first.bytes.length }
    expect({ problems, notes }).toMatchObject({ problems: [], notes: rejected === '' ? [] : [tail] })
    expect(await log.values()).toEqual(['a', 'b'])
  }
})

test('stale bytes after a SEAL or a pair of MARKs are truncated, and the end stays what it was', async () => {
  for (const isSealed of [true, false]) {
    const now = isSealed ? commits(1n).seal() : commits(1n)
    const whole = isSealed ? now.bytes : joined(now.bytes, encodeEnding(now.place, null).bytes)
    const log = await logOf(writtenOver(spare(commits(2n, ['z'.repeat(9000)]).bytes), whole))
    expect(await verify(log.fs, log.config, 'orders', 0)).toMatchObject({ problems: [], notes: [] })
    const writer = await log.open()
    expect(writer.recovery).toMatchObject({ kind: 'clean', nextOffset: 3n })
    expect(await log.file(log.path(0))).toEqual(whole)
    await append(writer, 'next')
    expect(await log.values()).toEqual([...VALUES, 'next'])
  }
})

test('a tailing reader of another process continues over stale bytes', async () => {
  const now = new SegmentBytes()
  const file = spare(commits(2n, [...VALUES, 'z'.repeat(9000)]).bytes)
  const log = await logOf(writtenOver(file, now.bytes))
  const handle = await log.fs.open(log.path(0), 'read-write')
  const reader = await WalReader.open(inAnotherProcess(log.fs, new Random(3)), log.config, 'orders', 0)
  const tail = reader.read({ follow: true })[Symbol.asyncIterator]()
  for (const value of VALUES) {
    const next = tail.next()
    const from = now.bytes.length
    now.records(value)
    // The header is there first, then the rest.
    await handle.write([now.bytes.subarray(from, from + 40)], from)
    await new Promise(setImmediate)
    await handle.write([now.bytes.subarray(from + 40)], from + 40)
    expect(String((await next).value?.value)).toBe(value)
  }
  await tail.return?.()
  await handle.close()
})

test('a tailing reader of another process reads a small part of the stale bytes with each commit', async () => {
  const now = new SegmentBytes()
  const file = withTrailer(Buffer.alloc(16 * MIB, 'FR stale'))
  const log = await logOf(writtenOver(file, now.bytes))
  const handle = await log.fs.open(log.path(0), 'read-write')
  const measured = new MeasuredFiles(log.fs)
  const fs = inAnotherProcess(measured.fs, new Random(3))
  const tail = (await WalReader.open(fs, log.config, 'orders', 0)).read({ follow: true })
  for (let commit = 0; commit < 20; commit++) {
    const next = tail.next()
    const { position } = now.place
    await handle.write([now.records(`${commit}`).bytes.subarray(position)], position)
    expect(String((await next).value?.value)).toBe(`${commit}`)
    // All of them are searched once.
    if (commit > 1) expect(measured.bytesRead).toBeLessThan(4 * MIB)
    measured.bytesRead = 0
  }
  await tail.return?.()
  await handle.close()
})

test('many torn frames in a recycled file are read only a few times', async () => {
  const now = new SegmentBytes()
  for (let at = 0; at < 10_000; at++) {
    now.frame({ type: FrameType.MARK, previousCrc: at * 7, durablePosition: 0 }, Buffer.alloc(0))
  }
  const log = await logOf(withTrailer(joined(now.bytes, Buffer.alloc(5000, 1))))
  const uses = {
    open: (fs: FileSystem) => WalWriter.open(fs, log.config, 'orders', 0).then(({ recovery }) => recovery.torn),
    verify: (fs: FileSystem) => verify(fs, log.config, 'orders', 0),
    dump: async (fs: FileSystem) => {
      for await (const _ of dumpSegment(fs, log.path(0)));
    },
  }
  for (const use of [uses.dump, uses.verify, uses.open]) {
    const measured = new MeasuredFiles(log.fs)
    await use(measured.fs)
    expect(measured.bytesRead).toBeLessThan(8 * (now.bytes.length + 5000))
  }
})

test('a checkpoint of a log in a recycled file has no stale bytes', async () => {
  const now = commits(1n)
  const log = await logOf(writtenOver(spare(commits(2n, ['z'.repeat(9000)]).bytes), now.bytes))
  const writer = await log.open()
  await append(writer, 'next')
  await writer.checkpoint('/copy')
  await writer.close()
  const copy = await WalWriter.open(log.fs, { ...log.config, dataDir: '/copy' }, 'orders', 0)
  expect(copy.recovery).toMatchObject({ kind: 'clean', nextOffset: 4n })
  await copy.close()
})
