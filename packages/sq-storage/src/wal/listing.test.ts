import { beforeEach, describe, expect, it } from 'vitest'
import { CorruptLogError, listSegments, LogNotFoundError, WalIoError } from '../index.ts'
import type { SegmentInfo } from '../index.ts'
import { append, appendEach, LogFixture, TIMESTAMP_MS } from '../testing/log-fixture.ts'
import { SegmentBytes } from '../testing/segment-bytes.ts'

const LOG = { topic: 'orders', partition: 0 }
const TIMES = { minTimestampMs: TIMESTAMP_MS, maxTimestampMs: TIMESTAMP_MS }

let log: LogFixture

beforeEach(() => {
  log = new LogFixture()
})

function list(): Promise<SegmentInfo[]> {
  return listSegments(log.fs, log.config, 'orders', 0)
}

async function fileBytes(baseOffset: number): Promise<number> {
  return (await log.file(log.path(baseOffset))).length
}

describe('listSegments', () => {
  it('tells sealed, abandoned and active segments apart, and counts what is in them', async () => {
    const writer = await log.open()
    await appendEach(writer, ['a', 'b'])
    await writer.closeActiveSegment()
    await appendEach(writer, ['c', 'd', 'e'])
    const abandonedBytes = await fileBytes(2)
    log.fs.faults.failNext('sync', 'EIO')
    await expect(append(writer, 'rejected')).rejects.toThrow('EIO')
    await append(writer, 'f')
    const [first, last] = [await fileBytes(0), await fileBytes(5)]
    const createdMs = log.clock.now()
    expect(await list()).toEqual([
      {
        path: log.path(0),
        ...LOG,
        createdMs,
        baseOffset: 0n,
        nextOffset: 2n,
        lastOffset: 1n,
        records: 2,
        bytes: first,
        ...TIMES,
        state: 'sealed',
        link: expect.objectContaining({ baseOffset: 0 }),
      },
      {
        path: log.path(2),
        ...LOG,
        createdMs,
        baseOffset: 2n,
        nextOffset: 5n,
        lastOffset: 4n,
        records: 3,
        bytes: abandonedBytes,
        ...TIMES,
        state: 'abandoned',
        link: expect.objectContaining({ baseOffset: 2 }),
      },
      {
        path: log.path(5),
        ...LOG,
        createdMs,
        baseOffset: 5n,
        nextOffset: 6n,
        lastOffset: 5n,
        records: 1,
        bytes: last,
        ...TIMES,
        state: 'active',
        link: expect.objectContaining({ baseOffset: 5 }),
      },
    ])
    expect(await fileBytes(2)).toBeGreaterThan(abandonedBytes)
  })

  it('agrees with what was reported when the segments were closed', async () => {
    log = new LogFixture({ maxSegmentBytes: 300 })
    const writer = await log.open()
    await appendEach(writer, ['a', 'b', 'c', 'd', 'e', 'f', 'g'])
    const listed = (await list()).slice(0, -1)
    expect(listed).toEqual(log.closed)
    expect(listed.length).toBeGreaterThan(1)
  })

  it.each([
    ['only OPEN', new SegmentBytes({ baseOffset: 4 }), { nextOffset: 4n, records: 0, state: 'active' }],
    [
      'commits',
      new SegmentBytes({ baseOffset: 4 }).records('a', 'b').records('c'),
      { nextOffset: 7n, records: 3, state: 'active' },
    ],
    [
      'a MARK',
      new SegmentBytes({ baseOffset: 4 }).records('a').mark(),
      { nextOffset: 5n, records: 1, state: 'active' },
    ],
    [
      'a SEAL',
      new SegmentBytes({ baseOffset: 4 }).records('a').seal(),
      { nextOffset: 5n, records: 1, state: 'sealed' },
    ],
  ])('describes a last segment with %s', async (_, segment, described) => {
    await log.makeSegments(segment)
    const bytes = segment.bytes.length
    const lastOffset = described.records === 0 ? null : described.nextOffset - 1n
    const times = described.records === 0 ? { minTimestampMs: null, maxTimestampMs: null } : TIMES
    expect(await list()).toEqual([
      {
        path: log.path(4),
        ...LOG,
        lastOffset,
        createdMs: TIMESTAMP_MS,
        baseOffset: 4n,
        bytes,
        ...times,
        ...described,
        link: segment.link,
      },
    ])
  })

  it('states the smallest and largest timestamp of segments that are sealed, abandoned and active', async () => {
    const writer = await log.open()
    const appendAt = (timestampMs: number) => writer.append(null, Buffer.alloc(0), [], timestampMs)
    for (const timestampMs of [5, 3, 9]) await appendAt(timestampMs)
    await writer.closeActiveSegment()
    for (const timestampMs of [7, 7, 1]) await appendAt(timestampMs)
    log.fs.faults.failNext('sync', 'EIO')
    await expect(appendAt(100)).rejects.toThrow('EIO')
    await appendAt(4)
    expect((await list()).map(({ minTimestampMs, maxTimestampMs }) => [minTimestampMs, maxTimestampMs])).toEqual([
      [3, 9],
      [1, 7],
      [4, 4],
    ])
  })

  it('reads the SEAL of a segment and not its records', async () => {
    const first = new SegmentBytes().records('x'.repeat(300_000)).seal()
    const second = new SegmentBytes({ baseOffset: 1, previous: first.link }).records('x'.repeat(300_000)).seal()
    await log.makeSegments(first, second, new SegmentBytes({ baseOffset: 2, previous: second.link }))
    const trace = log.fs.operations.trace()
    expect(await list()).toMatchObject([{ state: 'sealed' }, { state: 'sealed' }, { state: 'active' }])
    const lengths = trace.lines.filter((line) => line.startsWith('read ')).map((line) => Number(line.split('+')[1]))
    expect(lengths.reduce((sum, length) => sum + length, 0)).toBeLessThan(2000)
  })

  it('counts only whole frames of a torn last segment', async () => {
    const segment = new SegmentBytes().records('a').records('b')
    await log.makeSegments({ baseOffset: 0, bytes: segment.bytes.subarray(0, -1) })
    expect(await list()).toMatchObject([{ records: 1, bytes: segment.at(1).position, state: 'active' }])
  })

  it('counts only what is durable with a writer in this process', async () => {
    const writer = await log.open()
    await append(writer, 'a')
    const bytes = await fileBytes(0)
    const hold = log.fs.faults.hold('sync', log.path(0))
    const pending = append(writer, 'b')
    await hold.reached
    expect(await list()).toMatchObject([{ records: 1, nextOffset: 1n, bytes }])
    hold.release()
    await pending
    expect(await list()).toMatchObject([{ records: 2, nextOffset: 2n, bytes: await fileBytes(0) }])
  })

  it('is empty for a log without segments, and not found where there is no log', async () => {
    await expect(list()).rejects.toThrow(LogNotFoundError)
    await log.makeSegments()
    expect(await list()).toEqual([])
  })

  it('writes nothing, and keeps nothing open', async () => {
    const first = new SegmentBytes().records('a').seal()
    await log.makeSegments(first, new SegmentBytes({ baseOffset: 1, previous: first.link }).records('b'))
    const before = await log.files()
    log.fs.operations.resetCounts()
    await list()
    const { operations } = log.fs
    const reading = ['open', 'read', 'size', 'close', 'readdir', 'stat'] as const
    expect(operations.count()).toBe(reading.reduce((sum, operation) => sum + operations.count(operation), 0))
    expect(await log.files()).toEqual(before)
    expect(log.fs.openHandles).toBe(0)
  })

  it('rejects if a segment does not fit its successor, and if reading fails', async () => {
    const first = new SegmentBytes().records('a').seal()
    const last = new SegmentBytes({ baseOffset: 1, previous: first.link }).records('b')
    await log.makeSegments({ baseOffset: 0, bytes: first.bytes.subarray(0, -1) }, last)
    await expect(list()).rejects.toThrow(CorruptLogError)
    await log.overwrite(log.path(0), first.bytes)
    for (const operation of ['stat', 'readdir', 'open', 'read', 'size'] as const) {
      log.fs.faults.failNext(operation, 'EIO')
      await expect(list()).rejects.toThrow(WalIoError)
    }
    expect(log.fs.openHandles).toBe(0)
  })

  it('rejects a bad topic or partition', async () => {
    await expect(listSegments(log.fs, log.config, '..', 0)).rejects.toThrow(RangeError)
    await expect(listSegments(log.fs, log.config, 'orders', -1)).rejects.toThrow(RangeError)
  })
})
