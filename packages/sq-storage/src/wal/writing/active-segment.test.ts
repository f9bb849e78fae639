import { Random } from '@sq/sim'
import { expect, test } from 'vitest'
import { LogFixture } from '../../testing/log-fixture.ts'
import { locatePartition } from '../segments/partition.ts'
import { ActiveSegment } from './active-segment.ts'
import { recordOf } from './checked-record.ts'
import { Commit } from './commit.ts'
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
