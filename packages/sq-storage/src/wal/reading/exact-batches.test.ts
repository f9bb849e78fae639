/** `readBatches` with `exact`: what it returns of a range, to the record. */
import { Random } from '@sq/sim'
import { expect, test } from 'vitest'
import { WalReader } from '../../index.ts'
import type { ReadBatchesOptions, RecordBatch } from '../../index.ts'
import { LogFixture } from '../../testing/log-fixture.ts'
import { SegmentBytes } from '../../testing/segment-bytes.ts'

/** A batch that was written; `opaque` ones cannot be cut. */
interface Written {
  readonly from: number
  readonly to: number
  readonly isOpaque: boolean
  readonly times: readonly number[]
}

/** Batches of several kinds and lengths, in two segments. */
function build(random: Random): { segments: SegmentBytes[]; written: Written[] } {
  const first = new SegmentBytes()
  const written: Written[] = []
  let segment = first
  for (let left = 6; left > 0; left--) {
    const from = segment.place.nextOffset
    const recordCount = 1 + random.int(4)
    const timestampsMs = Array.from({ length: recordCount }, () => random.int(10))
    const isOpaque = random.chance(0.3)
    const metadata = random.chance(0.5) ? `producer of ${from}` : null
    if (isOpaque)
      segment.opaque('packed', { recordCount, metadata, minTimestampMs: 0, maxTimestampMs: Math.max(...timestampsMs) })
    else
      segment.batch(
        Array.from({ length: recordCount }, (_, at) => `${from + at}`),
        { metadata, timestampsMs },
      )
    written.push({ from, to: from + recordCount, isOpaque, times: timestampsMs })
    if (left === 4) segment = new SegmentBytes({ baseOffset: from + recordCount, previous: segment.link })
  }
  return { segments: segment === first ? [first] : [first, segment], written }
}

/** What must be returned of batches: for each its first offset and the one after its last. */
function expected(written: readonly Written[], options: ReadBatchesOptions): [number, number][] {
  const from = Number(options.from ?? 0)
  const to = Number(options.to ?? Infinity)
  const since = options.fromTimestampMs ?? 0
  const found: [number, number][] = []
  let isReached = options.fromTimestampMs === undefined
  let left = options.maxRecords ?? Infinity
  for (const batch of written) {
    if (batch.to <= from || batch.from >= to || left <= 0) continue
    const start = Math.max(batch.from, from, batch.from + (isReached ? 0 : firstSince(batch, since)))
    const end = Math.min(batch.to, to, start + left)
    if (start >= end) continue
    if (batch.isOpaque) {
      const isTooLong = batch.to - batch.from > left && found.length > 0
      if (batch.to > to || isTooLong) break
      found.push([batch.from, batch.to])
      left -= batch.to - batch.from
    } else {
      found.push([start, end])
      left -= end - start
    }
    isReached = true
  }
  return found
}

/** The index of the first record that can be returned. */
function firstSince({ isOpaque, times }: Written, since: number): number {
  const first = times.findIndex((timestampMs) => timestampMs >= since)
  return first === -1 ? times.length : isOpaque ? 0 : first
}

/** The batch that a returned one is a part of. */
function wholeOf(written: readonly Written[], { baseOffset, nextOffset }: RecordBatch): Written {
  const whole = written.find(({ from, to }) => from <= baseOffset && nextOffset <= to)
  return whole ?? expect.unreachable('a batch is not part of one that was written')
}

function randomOptions(random: Random, end: number): ReadBatchesOptions {
  const from = random.int(end + 1)
  const start = random.pick([{}, { from: BigInt(from) }, { fromTimestampMs: random.int(11) }])
  const to = random.chance(0.5) ? { to: BigInt(random.int(end + 3)) } : {}
  const most = random.chance(0.5) ? { maxRecords: 1 + random.int(end) } : {}
  return { ...start, ...to, ...most, exact: true }
}

test('no record outside the range is returned, and every record inside the range that is not in an opaque batch', async () => {
  let cuts = 0
  for (let seed = 0; seed < 60; seed++) {
    const random = new Random(seed)
    const log = new LogFixture()
    const { segments, written } = build(random)
    await log.makeSegments(...segments)
    const reader = await WalReader.open(log.fs, log.config, 'orders', 0)
    const end = written.at(-1)?.to ?? 0
    for (let round = 0; round < 25; round++) {
      const options = randomOptions(random, end)
      const ranges: [number, number][] = []
      for await (const batch of reader.readBatches(options)) {
        ranges.push([Number(batch.baseOffset), Number(batch.nextOffset)])
        const whole = wholeOf(written, batch)
        if (batch.recordCount < whole.to - whole.from) cuts++
        if (batch.metadata !== null) expect(String(batch.metadata)).toBe(`producer of ${whole.from}`)
        if (batch.isOpaque) continue
        const values = batch.records().map(({ offset, value }) => [Number(offset), String(value)])
        expect(values.map(([offset]) => offset)).toEqual(values.map(([, value]) => Number(value)))
      }
      expect([seed, options, ranges]).toEqual([seed, options, expected(written, options)])
    }
    await reader.close()
  }
  expect(cuts).toBeGreaterThan(100)
})

test('only the rest of a cut batch counts, in the counters and for `maxBytes`', async () => {
  const log = new LogFixture()
  await log.makeSegments(new SegmentBytes().records('a', 'b', 'c').records('d', 'e'))
  const reader = await WalReader.open(log.fs, log.config, 'orders', 0)
  const found = []
  for await (const batch of reader.readBatches({ from: 1n, to: 4n, maxBytes: 75, exact: true })) found.push(batch)
  expect(found.map(({ baseOffset, bytes }) => [baseOffset, bytes.length])).toEqual([
    [1n, 50],
    [3n, 25],
  ])
  expect(reader.stats()).toMatchObject({ records: 3, commits: 2 })
})

test('a tailing iteration ends before an opaque batch that ends after `to`', async () => {
  const log = new LogFixture()
  await log.makeSegments(new SegmentBytes().records('a').opaque('packed', { recordCount: 3 }).records('b'))
  const reader = await WalReader.open(log.fs, log.config, 'orders', 0)
  const found = []
  for await (const { nextOffset } of reader.readBatches({ to: 3n, exact: true, follow: true })) found.push(nextOffset)
  expect(found).toEqual([1n])
})

test('records are not cut: `read` does not know the option', async () => {
  const log = new LogFixture()
  await log.makeSegments(new SegmentBytes().records('a'))
  const reader = await WalReader.open(log.fs, log.config, 'orders', 0)
  const options: ReadBatchesOptions = { exact: true }
  await expect(reader.read(options).next()).rejects.toThrow(new TypeError('read has no option "exact"'))
  const mistaken = { exact: 1 } as unknown as ReadBatchesOptions
  await expect(reader.readBatches(mistaken).next()).rejects.toThrow('exact must be true or false, not 1')
})
