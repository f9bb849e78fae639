/** What the writer knows of its ended segments, after any changes, compared with a plain list. */
import { isDeepStrictEqual } from 'node:util'
import { Random } from '@sq/sim'
import { expect, test } from 'vitest'
import { EndedSegments } from './ended-segments.ts'
import type { EndedSegment } from './ended-segments.ts'
import type { SegmentInfo } from '../segments/describe.ts'
import { LogFixture } from '../../testing/log-fixture.ts'

/** The description of a segment with these timestamps; null for one without records. */
function infoOf(times: { minTimestampMs: number | null; maxTimestampMs: number | null }): SegmentInfo {
  const link = { baseOffset: 0, end: 8, lastPosition: 0, lastCrc: 1 }
  const log = { path: '/log/0', topic: 'orders', partition: 0, createdMs: 0, link }
  const offsets = { baseOffset: 0n, nextOffset: 1n, lastOffset: 0n }
  return { ...log, ...offsets, ...times, records: 1, bytes: 8, state: 'abandoned' }
}

function drawInfo(random: Random): SegmentInfo | null {
  if (random.chance(0.05)) return null
  if (random.chance(0.1)) return infoOf({ minTimestampMs: null, maxTimestampMs: null })
  const minTimestampMs = random.int(50)
  return infoOf({ minTimestampMs, maxTimestampMs: minTimestampMs + random.int(20) })
}

/** Segments one after the other from an offset on, with drawn sizes and times. */
function drawSegments(random: Random, { from, count }: { from: number; count: number }): EndedSegment[] {
  const segments: EndedSegment[] = []
  for (let at = 0, baseOffset = from; at < count; at++) {
    const nextOffset = baseOffset + 1 + random.int(5)
    const fileBytes = 1 + random.int(1000)
    segments.push({ path: `/log/${baseOffset}`, baseOffset, nextOffset, fileBytes, info: drawInfo(random) })
    baseOffset = nextOffset
  }
  return segments
}

function timesOf(infos: readonly SegmentInfo[]) {
  return {
    oldestMs: Math.min(...infos.map(({ minTimestampMs }) => minTimestampMs ?? Infinity)),
    newestMs: Math.max(...infos.map(({ maxTimestampMs }) => maxTimestampMs ?? -Infinity)),
  }
}

function expectSame(ended: EndedSegments, segments: readonly EndedSegment[]): void {
  const { count, first, last, fileBytes, times } = ended
  const infos = segments.flatMap(({ info }) => info ?? [])
  const isKnown = infos.length === segments.length
  expect({ segments: [...ended], count, first, last, fileBytes, times }).toEqual({
    segments,
    count: segments.length,
    first: segments[0],
    last: segments.at(-1),
    fileBytes: segments.reduce((sum, segment) => sum + segment.fileBytes, 0),
    times: isKnown ? timesOf(infos) : null,
  })
}

test('the ended segments are those that were added and neither deleted nor dropped', () => {
  for (let seed = 0; seed < 40; seed++) {
    const random = new Random(seed)
    let expected = drawSegments(random, { from: 10, count: random.int(6) })
    let end = expected.at(-1)?.nextOffset ?? 10
    const ended = new EndedSegments(expected)
    expectSame(ended, expected)
    for (let step = 0; step < 60; step++) {
      const { cuts } = ended
      const before = [...expected]
      const act = random.int(6)
      if (act <= 2) {
        const [added] = drawSegments(random, { from: end, count: 1 })
        if (added === undefined) continue
        ended.add(added)
        expected.push(added)
        end = added.nextOffset
      } else if (act === 3 && expected.length > 0) {
        ended.deleteFirst()
        expected.shift()
      } else if (act === 4) {
        const offset = Math.max(0, end - random.int(8))
        ended.cutAt(offset)
        expected = expected.filter(({ baseOffset }) => baseOffset < offset)
        end = expected.at(-1)?.nextOffset ?? offset
      } else if (act === 5 && expected.length > 0) {
        const left = expected.slice(0, 1 + random.int(expected.length))
        const last = left.at(-1)
        if (last === undefined) continue
        end = last.nextOffset - (random.chance(0.5) ? 1 : 0)
        const isCut = end > last.baseOffset && end < last.nextOffset
        if (!isCut) end = last.nextOffset
        const fileBytes = isCut ? last.fileBytes / 2 : last.fileBytes
        ended.endAt(end, left, new Map([[last.baseOffset, fileBytes]]))
        expected = isCut ? [...left.slice(0, -1), { ...last, nextOffset: end, fileBytes, info: null }] : left
      }
      expectSame(ended, expected)
      // Appending and deleting change no decision about the other segments.
      if (act <= 3) expect(ended.cuts).toBe(cuts)
      else if (!isDeepStrictEqual(expected, before)) expect(ended.cuts).toBeGreaterThan(cuts)
    }
  }
})

test('after a truncation, what is known of a segment is kept unless the segment was cut', () => {
  const segments = drawSegments(new Random(1), { from: 0, count: 3 })
  const [first, second] = segments
  if (first === undefined || second === undefined) throw new Error('there are three segments')
  const ended = new EndedSegments(segments)
  ended.endAt(second.nextOffset - 1, [first, second], new Map([[second.baseOffset, 99]]))
  const [kept, cut] = [...ended]
  expect(kept).toBe(first)
  expect(cut).toEqual({ ...second, nextOffset: second.nextOffset - 1, fileBytes: 99, info: null })
})

test('after a truncation, a segment that a failed attempt has created is known, and the one before it as it was cut', () => {
  const first = { path: '/log/0', baseOffset: 0, nextOffset: 10, fileBytes: 500, info: null }
  const cut = { path: '/log/10', baseOffset: 10, nextOffset: 20, fileBytes: 700, info: null }
  const created = { path: '/log/15', baseOffset: 15 }
  const ended = new EndedSegments([first, cut])
  const sizes = new Map([
    [10, 300],
    [15, 200],
  ])
  ended.endAt(16, [first, cut, created], sizes)
  expect([...ended]).toEqual([
    first,
    { ...cut, nextOffset: 15, fileBytes: 300 },
    { ...created, nextOffset: 16, fileBytes: 200, info: null },
  ])
})

test('the size and the times are kept: asking for them looks at no segment', () => {
  let looks = 0
  const ended = new EndedSegments([])
  const counted = (baseOffset: number): EndedSegment => ({
    path: `/log/${baseOffset}`,
    baseOffset,
    nextOffset: baseOffset + 1,
    get fileBytes() {
      looks++
      return 100
    },
    get info() {
      looks++
      return infoOf({ minTimestampMs: baseOffset, maxTimestampMs: 2 * baseOffset })
    },
  })
  for (let offset = 1; offset <= 1000; offset++) ended.add(counted(offset))
  expect(ended.times).toEqual({ oldestMs: 1, newestMs: 2000 })
  looks = 0
  // A retention that deletes as much as is appended, and a program that reads the stats after each step.
  for (let offset = 1001; offset <= 2000; offset++) {
    ended.add(counted(offset))
    expect(ended.times).toEqual({ oldestMs: offset - 1000, newestMs: 2 * offset })
    expect(ended.fileBytes).toBe(100_100)
    ended.deleteFirst()
    expect(ended.times).toEqual({ oldestMs: offset - 999, newestMs: 2 * offset })
  }
  expect(looks).toBeLessThan(10_000)
})

test('the times are known once each segment is described', async () => {
  const log = new LogFixture({ maxSegmentBytes: 300 })
  const writer = await log.open()
  for (let at = 0; at < 3; at++) {
    await writer.append(null, Buffer.alloc(200), [], 1000 * (at + 1))
    await writer.closeActiveSegment()
  }
  await writer.append(null, Buffer.alloc(200), [], 1)
  const bases = [0, 1, 2]
  const ended = new EndedSegments(
    bases.map((baseOffset) => ({
      path: log.path(baseOffset),
      baseOffset,
      nextOffset: baseOffset + 1,
      fileBytes: 1,
      info: null,
    })),
  )
  const partition = { topic: 'orders', partition: 0, directory: log.directory }
  const [first, second] = [...ended]
  ended.deleteFirst()
  for (const segment of ended) {
    expect(ended.times).toBeNull()
    await ended.describe(segment, log.fs, partition)
  }
  expect([first?.info, second?.info?.minTimestampMs]).toEqual([null, 2000])
  expect(ended.times).toEqual({ oldestMs: 2000, newestMs: 3000 })
})

test('a cut counts even if no segment is dropped, and the least offset since a moment is known', () => {
  const ended = new EndedSegments(drawSegments(new Random(1), { from: 0, count: 2 }))
  const { cuts } = ended
  expect(cuts).toBe(0)
  expect(ended.lowestCutSince(cuts)).toBe(Infinity)
  for (const offset of [1000, 900, 950]) ended.cutAt(offset)
  expect(ended.count).toBe(2)
  expect(ended.cuts).toBe(cuts + 3)
  expect([0, 1, 2, 3].map((seen) => ended.lowestCutSince(cuts + seen))).toEqual([900, 900, 950, Infinity])
})
