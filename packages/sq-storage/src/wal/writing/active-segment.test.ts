import { Random } from '@sq/sim'
import { describe, expect, test } from 'vitest'
import { LogFixture } from '../../testing/log-fixture.ts'
import { RecordBuffer } from '../format/record.ts'
import { locatePartition } from '../segments/partition.ts'
import type { LocatedFrame } from '../segments/segment-file.ts'
import { ActiveSegment } from './active-segment.ts'
import { recordOf } from './checked-record.ts'
import { Commit } from './commit.ts'
import type { EncodedBody } from './commit.ts'
import { SegmentDirectory } from './partition-directory.ts'

const PARTITION = locatePartition('/data', 'orders', 0)

async function created(log: LogFixture): Promise<ActiveSegment> {
  await log.fs.mkdir(PARTITION.directory)
  const directory = new SegmentDirectory(log.fs, PARTITION.directory, { check: async () => {} })
  const maker = { directory, partition: PARTITION, clock: log.clock, random: new Random(1) }
  return ActiveSegment.create(maker, { baseOffset: 7, previous: null, first: null })
}

function commitAt(timestampMs: number, valueBytes = 1): Commit {
  const commit = new Commit()
  const record = recordOf(null, Buffer.alloc(valueBytes), [], timestampMs)
  commit.add([record], record.encodedBytes, { resolve: () => {}, reject: () => {} })
  return commit
}

test('a segment without a record has no times', async () => {
  const segment = await created(new LogFixture())
  expect(segment.info(PARTITION)).toMatchObject({
    nextOffset: 7n,
    lastOffset: null,
    records: 0,
    minTimestampMs: null,
    maxTimestampMs: null,
  })
})

test('after a failed write the size of the file is that of the file, or the most it can be if that cannot be read', async () => {
  const log = new LogFixture()
  const segment = await created(log)
  await segment.write(commitAt(5), { preallocationLimit: 0 })
  const { position } = segment.place
  expect(await segment.fileSize()).toBe(position)
  log.fs.faults.failNext('sync', 'EIO')
  await expect(segment.write(commitAt(5, 500), { preallocationLimit: 0 })).rejects.toThrow('EIO')
  const sizeBytes = await segment.fileSize()
  expect(sizeBytes).toBeGreaterThan(position)
  log.fs.faults.failAlways('size', 'EIO')
  expect(await segment.fileSize()).toBe(sizeBytes)
})

test('a write without a frame is refused before anything is written', async () => {
  const log = new LogFixture()
  const segment = await created(log)
  const before = await log.files()
  const nothing = { recordCount: 0, bytes: 0, encode: () => ({ bytes: Buffer.alloc(0), frames: [] }) }
  await expect(segment.write(nothing, { preallocationLimit: 0 })).rejects.toMatchObject({ code: 'SQ_WAL_INVARIANT' })
  expect(await log.files()).toEqual(before)
  expect(segment.abandoned).toBe(false)
})

test('a segment has the times of its records', async () => {
  const segment = await created(new LogFixture())
  await segment.write(commitAt(5), { preallocationLimit: 0 })
  await segment.write(commitAt(3), { preallocationLimit: 0 })
  expect(segment.info(PARTITION)).toMatchObject({
    nextOffset: 9n,
    lastOffset: 8n,
    minTimestampMs: 3,
    maxTimestampMs: 5,
  })
})

test('the index counts offsets from the base offset of the segment', async () => {
  const segment = await created(new LogFixture())
  for (let at = 0; at < 3; at++) await segment.write(commitAt(5, 40_000), { preallocationLimit: 0 })
  expect(segment.summary.index).toMatchObject([{ offsetDelta: 2 }])
})

/** A record as the body of a frame. */
function bodyAt(timestampMs: number, valueBytes = 1): EncodedBody {
  const record = recordOf(null, Buffer.alloc(valueBytes), [], timestampMs)
  const bytes = Buffer.alloc(record.encodedBytes)
  new RecordBuffer(bytes).encode(record, 0)
  return { bytes, attributes: 0, recordCount: 1, minTimestampMs: timestampMs, maxTimestampMs: timestampMs }
}

/** A segment with two commits. The second has three frames: a record, and two bodies. */
async function written(): Promise<{ log: LogFixture; segment: ActiveSegment; frames: readonly LocatedFrame[] }> {
  const log = new LogFixture()
  const segment = await created(log)
  await segment.write(commitAt(9), { preallocationLimit: 0 })
  const commit = commitAt(7, 10)
  commit.addBody(bodyAt(5, 70_000))
  commit.addBody(bodyAt(3, 40_000))
  const { copy } = await segment.write(commit, { preallocationLimit: 0 })
  return { log, segment, frames: copy() }
}

describe('a commit with several frames', () => {
  test('states its start as the durable position in each frame: none vouches for the others', async () => {
    const { frames } = await written()
    const [first] = frames
    expect(frames.map(({ frame }) => frame.header.baseOffset)).toEqual([8, 9, 10])
    for (const { frame } of frames) expect(frame.header.durablePosition).toBe(first?.frame.header.position)
  })

  test('is in the file as its frames are copied, one after another', async () => {
    const { log, segment, frames } = await written()
    const [first] = frames
    const file = await log.file(segment.path)
    const copied = Buffer.concat(frames.map(({ frame }) => frame.bytes))
    expect(file.subarray(first?.frame.header.position).equals(copied)).toBe(true)
  })

  test('is followed by a frame that vouches for all of them', async () => {
    const { segment } = await written()
    const { position } = segment.place
    const [next] = (await segment.write(commitAt(9), { preallocationLimit: 0 })).copy()
    expect(next?.frame.header).toMatchObject({ position, durablePosition: position, baseOffset: 11 })
    expect(segment.link.lastPosition).toBe(position)
  })

  test('is in the index and the times of its segment frame by frame', async () => {
    const { segment, frames } = await written()
    expect(segment.summary.index).toEqual([
      { offsetDelta: 3, position: frames[2]?.frame.header.position, maxTimestampMs: 9 },
    ])
    expect(segment.summary).toMatchObject({ records: 4, minTimestampMs: 3, maxTimestampMs: 9 })
  })

  test('has a new frame for records after a body, and tells each caller its offset', () => {
    const [commit, told] = [new Commit(), [] as bigint[]]
    const waiter = { resolve: (offset: bigint) => told.push(offset), reject: () => {} }
    const record = recordOf(null, Buffer.alloc(1), [], 1)
    commit.add([record, record], 50, waiter)
    commit.addBody(bodyAt(5))
    commit.addWaiter(waiter, 2)
    commit.add([record], 25, waiter)
    commit.add([record], 25, waiter)
    expect(commit.bytes).toBe(40 + 56 + 40 + 32 + 40 + 56)
    const { frames, bytes } = commit.encode({ position: 96, nextOffset: 10, previousCrc: 1, salt: 2 })
    expect(bytes).toHaveLength(commit.bytes)
    expect(frames.map(({ header }) => header.recordCount)).toEqual([2, 1, 2])
    commit.resolve(10)
    expect(told).toEqual([10n, 11n, 13n, 14n])
  })
})
