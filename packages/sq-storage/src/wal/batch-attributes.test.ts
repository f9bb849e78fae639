/** Batches with metadata, opaque batches and records without a value, through everything that reads or cuts a log. */
import { beforeEach, describe, expect, test } from 'vitest'
import { CorruptLogError, dumpSegment, listSegments, OpaqueBatchError, repair, verify, WalReader } from '../index.ts'
import type { ReadBatchesOptions, RecordBatch } from '../index.ts'
import { append, LogFixture } from '../testing/log-fixture.ts'
import { offsetAt } from '../testing/offset-at.ts'
import { SegmentBytes } from '../testing/segment-bytes.ts'
import { Attribute, FrameType } from './format/frame.ts'

let log: LogFixture
beforeEach(() => {
  log = new LogFixture()
})

/** Records 0 and 1 with metadata, an opaque batch of 2 to 4, and records 5 and 6, the first without a value. */
function mixed(): SegmentBytes {
  return new SegmentBytes()
    .batch(['a', 'b'], { metadata: 'producer 1', timestampMs: 10 })
    .opaque('packed', { recordCount: 3, metadata: 'producer 2', minTimestampMs: 20, maxTimestampMs: 40 })
    .batch([null, 'c'], { timestampMs: 30 })
}

async function makeMixed(): Promise<SegmentBytes> {
  const segment = mixed()
  await log.makeSegments(segment)
  return segment
}

const open = (): Promise<WalReader> => WalReader.open(log.fs, log.config, 'orders', 0)

async function batches(options: ReadBatchesOptions = {}): Promise<RecordBatch[]> {
  const found: RecordBatch[] = []
  for await (const batch of (await open()).readBatches(options)) found.push(batch)
  return found
}

function shown({ baseOffset, recordCount, metadata, payload }: RecordBatch): string {
  const parts = [metadata, payload].map((part) => (part === null ? '-' : String(part)))
  return [`${baseOffset}+${recordCount}`, ...parts].join(' ')
}

const ALL = ['0+2 producer 1 -', '2+3 producer 2 packed', '5+2 - -']

test('batches come back with their metadata and payload', async () => {
  await makeMixed()
  const found = await batches()
  expect(found.map(shown)).toEqual(ALL)
  expect(found.map(({ isOpaque }) => isOpaque)).toEqual([false, true, false])
  expect(found.map(({ minTimestampMs, maxTimestampMs }) => [minTimestampMs, maxTimestampMs])).toEqual([
    [10, 10],
    [20, 40],
    [30, 30],
  ])
  expect(found[2]?.records().map(({ value }) => value)).toEqual([null, Buffer.from('c')])
})

test('the records before an opaque batch are returned, then its offsets are in an error', async () => {
  await makeMixed()
  const { values, error } = await log.outcome()
  expect(values).toEqual(['a', 'b'])
  expect(error).toBeInstanceOf(OpaqueBatchError)
  expect(error).toMatchObject({ code: 'SQ_WAL_OPAQUE_BATCH', baseOffset: 2n, nextOffset: 5n })
  expect((error as Error).message).toBe(
    `cannot read the records of ${log.path(0)}: the batch from offset 2 up to 5 is opaque, and only its producer can read its records; take it as a whole, with readBatches`,
  )
})

test.each([
  [{ to: 2n }, ['a', 'b'], null],
  [{ maxRecords: 2 }, ['a', 'b'], null],
  [{ to: 3n }, ['a', 'b'], 2n],
  [{ from: 2n }, [], 2n],
  [{ from: 4n }, [], 2n],
  [{ from: 5n }, ['null', 'c'], null],
  [{ fromTimestampMs: 40 }, [], 2n],
  [{ fromTimestampMs: 11 }, [], 2n],
  [{ fromTimestampMs: 10 }, ['a', 'b'], 2n],
  [{ fromTimestampMs: 41 }, [], null],
])('reading with %o meets the opaque batch only if it holds an offset of the range', async (options, values, at) => {
  await makeMixed()
  const { values: found, error } = await log.outcome(options)
  expect([found, error instanceof OpaqueBatchError ? error.baseOffset : error]).toEqual([values, at])
})

test('a search by time skips an opaque batch that has only earlier times', async () => {
  const segment = new SegmentBytes().opaque('packed', { recordCount: 3, minTimestampMs: 1, maxTimestampMs: 4 })
  await log.makeSegments(segment.batch(['a'], { timestampMs: 5 }))
  expect(await log.outcome({ fromTimestampMs: 5 })).toEqual({ values: ['a'], error: null })
  expect(await log.outcome({ fromTimestampMs: 4 })).toMatchObject({ values: [], error: { baseOffset: 0n } })
})

test('the offset for a time within an opaque batch is the first offset of the batch', async () => {
  await makeMixed()
  const reader = await open()
  const found = []
  for (const timestampMs of [0, 10, 11, 20, 31, 40, 41]) found.push(await offsetAt(reader, timestampMs))
  expect(found).toEqual([0n, 0n, 2n, 2n, 2n, 2n, null])
  expect(await reader.offsetAt(11)).toEqual({ offset: 2n, timestampMs: 40 })
})

test('a tailing reader gets batches of every kind', async () => {
  await makeMixed()
  const reader = await open()
  const found: string[] = []
  for await (const batch of reader.readBatches({ follow: true })) {
    found.push(shown(batch))
    if (batch.nextOffset === 7n) break
  }
  expect(found).toEqual(ALL)
})

test('a log with batches of every kind can be verified, listed with its times, and opened for writing', async () => {
  const segment = await makeMixed()
  expect(await verify(log.fs, log.config, 'orders', 0)).toMatchObject({ problems: [], notes: [], records: 7 })
  const times = { minTimestampMs: 10, maxTimestampMs: 40, records: 7 }
  expect(await listSegments(log.fs, log.config, 'orders', 0)).toMatchObject([times])
  const writer = await log.open()
  expect(writer.nextOffset).toBe(7n)
  expect(await append(writer, 'd')).toBe(7n)
  expect(await writer.closeActiveSegment()).toMatchObject({ minTimestampMs: 10, records: 8 })
  await writer.close()
  expect((await batches()).map(shown)).toEqual([...ALL, '7+1 - -'])
  expect((await log.file(log.path(0))).subarray(0, segment.bytes.length).equals(segment.bytes)).toBe(true)
})

test('a SEAL states the times of an opaque batch, and a search by time uses them', async () => {
  const first = new SegmentBytes().opaque('packed', { recordCount: 3, minTimestampMs: 20, maxTimestampMs: 40 }).seal()
  await log.makeSegments(
    first,
    new SegmentBytes({ baseOffset: 3, previous: first.link }).batch(['a'], { timestampMs: 50 }),
  )
  expect((await verify(log.fs, log.config, 'orders', 0)).problems).toEqual([])
  const reader = await open()
  expect(await offsetAt(reader, 41)).toBe(3n)
  expect(await offsetAt(reader, 40)).toBe(0n)
})

describe('a truncation', () => {
  test('inside a batch keeps its metadata and what its values may be', async () => {
    await log.makeSegments(new SegmentBytes().batch(['a', null, 'c'], { metadata: 'producer 1' }))
    const writer = await log.open()
    await writer.truncate(2n)
    const [batch] = await batches()
    expect(batch && shown(batch)).toBe('0+2 producer 1 -')
    expect(batch?.attributes).toBe(Attribute.METADATA | Attribute.NULL_VALUES)
    expect(await append(writer, 'd')).toBe(2n)
    await writer.close()
    expect(await log.values()).toEqual(['a', 'null', 'd'])
    expect((await verify(log.fs, log.config, 'orders', 0)).problems).toEqual([])
  })

  test.each([3n, 4n])('inside an opaque batch, at offset %d, is refused, and nothing changes', async (offset) => {
    await makeMixed()
    const writer = await log.open()
    await writer.truncate(7n)
    const before = await log.files()
    const error = await writer.truncate(offset).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(OpaqueBatchError)
    expect(error).toMatchObject({ baseOffset: 2n, nextOffset: 5n })
    expect((error as Error).message).toBe(
      `cannot truncate ${log.path(0)} at offset ${offset}: the batch from offset 2 up to 5 is opaque, and only its producer can read its records; take it as a whole, with readBatches`,
    )
    expect(await log.files()).toEqual(before)
    expect(writer.nextOffset).toBe(7n)
    expect(await append(writer, 'd')).toBe(7n)
  })

  test.each([
    [5n, ALL.slice(0, 2)],
    [2n, ALL.slice(0, 1)],
    [6n, [...ALL.slice(0, 2), '5+1 - -']],
  ])('at offset %d, an end of the opaque batch or after it, drops what follows', async (offset, left) => {
    await makeMixed()
    const writer = await log.open()
    await writer.truncate(offset)
    await writer.close()
    expect((await batches()).map(shown)).toEqual(left)
    expect((await verify(log.fs, log.config, 'orders', 0)).problems).toEqual([])
  })
})

describe('a damaged header is restored', () => {
  test.each([0, 1, 2])('of frame %d, whatever its attributes are', async (nth) => {
    const segment = mixed().records('confirms')
    const damaged = Buffer.from(segment.bytes)
    damaged.fill(0xff, segment.at(nth).position, segment.at(nth).position + 40)
    await log.makeSegments({ baseOffset: 0, bytes: damaged })
    const { problems } = await verify(log.fs, log.config, 'orders', 0)
    const problem = problems[0] ?? expect.unreachable('no problem was found')
    await repair(log.fs, log.config, 'orders', 0, { problem, repair: 'restore' })
    expect((await log.file(log.path(0))).equals(segment.bytes)).toBe(true)
  })
})

test('a dump shows metadata, opaque batches and missing values', async () => {
  await makeMixed()
  const parts: unknown[] = []
  for await (const part of dumpSegment(log.fs, log.path(0))) {
    if (part.kind !== 'records') continue
    const { metadata, records, opaque } = part
    const values = records && [...records].map(({ value }) => String(value))
    const batch = opaque && [String(opaque.payload), opaque.minTimestampMs, opaque.maxTimestampMs]
    parts.push([metadata && String(metadata), values, batch])
  }
  expect(parts).toEqual([
    ['producer 1', ['a', 'b'], null],
    ['producer 2', null, ['packed', 20, 40]],
    [null, ['null', 'c'], null],
  ])
})

describe('a body that is not what its header states is corrupt', () => {
  test.each([
    ['metadata that is longer than the body', Attribute.METADATA, Buffer.from('\xff\0\0\0meta', 'latin1')],
    ['no room for the times of an opaque batch', Attribute.OPAQUE, Buffer.alloc(15)],
    ['opaque times in the wrong order', Attribute.OPAQUE, Buffer.from([1, ...Array.from({ length: 15 }, () => 0)])],
  ])('%s, for every use of the log', async (_, attributes, body) => {
    const segment = new SegmentBytes().records('a')
    segment.frame({ type: FrameType.RECORDS, recordCount: 2, attributes }, body).records('d')
    await log.makeSegments(segment)
    const where = { firstOffset: 1n, lastOffset: 2n, from: segment.at(1).position, to: segment.at(2).position }
    const reason = `the frame verifies, but its body does not hold exactly 2 records, with attributes 0x0${attributes}`
    expect((await verify(log.fs, log.config, 'orders', 0)).problems).toMatchObject([
      { kind: 'records', ...where, reason },
    ])
    const { values, error } = await log.outcome()
    expect(values).toEqual(['a'])
    expect(error).toBeInstanceOf(CorruptLogError)
    expect(error).toMatchObject({ ...where, reason })
    await expect(batches({ from: 1n })).rejects.toMatchObject({ ...where, reason })
    await expect(batches({ from: 1n, exact: true })).rejects.toMatchObject({ ...where, reason })
    await expect(log.open()).rejects.toMatchObject({ ...where, reason })
    const readable: boolean[] = []
    for await (const part of dumpSegment(log.fs, log.path(0))) {
      if (part.kind === 'records') readable.push(part.records !== null)
    }
    expect(readable).toEqual([true, false, true])
  })

  test('a body that ends inside a record is corrupt for a search by offset or time', async () => {
    const body = Buffer.concat([Buffer.from('\x04\0\0\0meta', 'latin1'), Buffer.alloc(48)])
    const segment = new SegmentBytes()
    segment.frame({ type: FrameType.RECORDS, recordCount: 2, attributes: Attribute.METADATA }, body)
    await log.makeSegments(segment)
    await expect(batches({ from: 1n, exact: true })).rejects.toBeInstanceOf(CorruptLogError)
    await expect(batches({ fromTimestampMs: 1 })).rejects.toBeInstanceOf(CorruptLogError)
  })
})
