import { beforeEach, describe, expect, it } from 'vitest'
import { CorruptLogError, WalIoError } from '../../errors.ts'
import { flipped } from '../../testing/hand-bytes.ts'
import { LogFixture } from '../../testing/log-fixture.ts'
import { SegmentBytes } from '../../testing/segment-bytes.ts'
import { knownDamage, notRecords, confirmedDamage } from './damage.ts'
import { locatePartition } from './partition.ts'
import { openSegment } from './segment-file.ts'

const PARTITION = locatePartition('/data', 'orders', 0)

let log: LogFixture

beforeEach(async () => {
  log = new LogFixture()
  await log.fs.mkdir(log.directory)
})

/** The damage that is found if the first frame of a segment, with one record, does not verify. */
async function damageAtFirst(
  segment: SegmentBytes,
  reason: string | null = 'it is wrong',
): Promise<CorruptLogError | null> {
  const { position } = segment.at(0)
  await log.make(log.path(0), flipped(segment.bytes, 8 * (position + 45)))
  const listed = { path: log.path(0), baseOffset: 0, successor: null }
  const opened = await openSegment(log.fs, listed, { partition: PARTITION, mode: 'read' })
  const stop = { position, reason, header: null }
  return confirmedDamage(opened, { stop, nextOffset: 0, limit: segment.bytes.length })
}

describe('confirmedDamage', () => {
  it('is the bytes and offsets up to the frame that confirms them', async () => {
    const segment = new SegmentBytes().records('a', 'b', 'c').records('d').records('e')
    const damage = await damageAtFirst(segment)
    const { position: to } = segment.at(1)
    expect(damage).toBeInstanceOf(CorruptLogError)
    const where = { path: log.path(0), from: segment.headBytes, to, firstOffset: 0n, lastOffset: 2n }
    expect(damage).toMatchObject({
      ...where,
      reason: `it is wrong, but the frame at ${to} confirms that it was durable`,
    })
  })

  it('says that something is unreadable if no more is known', async () => {
    const damage = await damageAtFirst(new SegmentBytes().records('a').records('b'), null)
    expect(damage?.reason).toMatch(/^unreadable, but the frame at/)
  })

  it('is nothing if there is no later frame', async () => {
    expect(await damageAtFirst(new SegmentBytes().records('a'))).toBeNull()
  })

  it('is nothing if later frames confirm no more than what is before', async () => {
    const segment = new SegmentBytes()
    const { headBytes } = segment
    expect(await damageAtFirst(segment.mark(8).mark(0, headBytes))).toBeNull()
  })

  it('is something if a frame far behind confirms a part of it', async () => {
    const segment = new SegmentBytes().records('a').mark(300_000, 0)
    segment.mark(0, segment.headBytes + 8)
    const { position: to } = segment.at(2)
    expect(await damageAtFirst(segment)).toMatchObject({ from: segment.headBytes, to, firstOffset: 0n, lastOffset: 0n })
  })

  it('names the file if reading fails', async () => {
    log.fs.faults.add({ on: 'read', when: { nth: 2 }, fault: { error: 'EIO' } })
    const error: unknown = await damageAtFirst(new SegmentBytes().records('a')).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(WalIoError)
    expect(error).toMatchObject({ path: log.path(0) })
  })
})

it.each([
  [9, 9n, 'offsets 7 to 9'],
  [null, null, 'offsets 7 and all after it'],
])('knownDamage goes up to the limit, and to offset %o', (last, lastOffset, shown) => {
  const stop = { position: 96, reason: 'it is wrong', header: null }
  const damage = knownDamage('/file', { stop, nextOffset: 7, limit: 200 }, last)
  expect(damage).toMatchObject({ path: '/file', from: 96, to: 200, firstOffset: 7n, lastOffset, reason: 'it is wrong' })
  expect(damage.message).toBe(`/file is damaged in bytes 96 to 200 (${shown}): it is wrong`)
})

it('notRecords is the whole frame', () => {
  const segment = new SegmentBytes({ baseOffset: 5 }).records('a', 'b')
  const { position: from } = segment.at(0)
  const damage = notRecords('/file', segment.at(0))
  expect(damage).toMatchObject({ path: '/file', from, to: segment.bytes.length, firstOffset: 5n, lastOffset: 6n })
})
