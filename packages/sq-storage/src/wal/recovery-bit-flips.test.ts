import { describe, expect, it } from 'vitest'
import { CorruptLogError, UnsupportedFormatError, WalReader } from '../index.ts'
import { flipped } from '../testing/hand-bytes.ts'
import { LogFixture } from '../testing/log-fixture.ts'
import { SegmentBytes } from '../testing/segment-bytes.ts'

const VALUES = ['one', 'two', 'three']

function threeCommits(): SegmentBytes {
  return new SegmentBytes().records('one').records('two').records('three')
}

/** What a reader gets of a log, and how it ended. */
async function readAll(log: LogFixture): Promise<{ values: string[]; error: unknown }> {
  const values: string[] = []
  try {
    const reader = await WalReader.open(log.fs, log.config, 'orders', 0)
    for await (const { value, offset } of reader.read()) {
      expect(offset).toBe(BigInt(values.length))
      values.push(Buffer.from(value).toString())
    }
    return { values, error: null }
  } catch (error) {
    return { values, error }
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof CorruptLogError || error instanceof UnsupportedFormatError
}

/** What a log with one bit flipped gives: to a reader, to a writer, and to a reader after it. */
async function outcome(segments: readonly SegmentBytes[], target: SegmentBytes, bit: number): Promise<string> {
  const log = new LogFixture()
  const damaged = segments.map((segment) => ({
    baseOffset: segment.baseOffset,
    bytes: segment === target ? flipped(segment.bytes, bit) : segment.bytes,
  }))
  await log.makeSegments(...damaged)
  const before = await log.files()
  const first = await readAll(log)
  expect(VALUES.slice(0, first.values.length)).toEqual(first.values)
  expect(await log.files()).toEqual(before)

  let refused: unknown = null
  try {
    await (await log.open()).close()
  } catch (error) {
    refused = error
    expect(await log.files()).toEqual(before)
  }
  const second = await readAll(log)
  // What was read before a writer came is there after it too, and nothing else.
  expect(second.values).toEqual(first.values)
  for (const error of [first.error, second.error, refused]) if (error !== null) expect(error).toSatisfy(isRefusal)
  const reading = first.error === null && second.error === null ? `reads ${first.values.length}` : 'refuses to read'
  return `${reading}, ${refused === null ? 'opens' : 'refuses to open'}`
}

/** All outcomes of flipping each bit of some bytes, and how many bits had each. */
async function outcomes(
  segments: readonly SegmentBytes[],
  target: SegmentBytes,
  { from, to }: { from: number; to: number },
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (let bit = 8 * from; bit < 8 * to; bit++) {
    const found = await outcome(segments, target, bit)
    counts[found] = (counts[found] ?? 0) + 1
  }
  return counts
}

describe('every single bit flipped', { timeout: 60_000 }, () => {
  it('in commits that a later frame proves is refused: nothing wrong is returned, nothing goes missing', async () => {
    const segment = threeCommits().mark(8)
    segment.mark(0, segment.at(-1).position)
    const to = segment.at(-2).position
    expect(await outcomes([segment], segment, { from: 0, to })).toEqual({ 'refuses to read, refuses to open': 8 * to })
  })

  it('in the MARKs that prove them changes nothing', async () => {
    const segment = threeCommits().mark(8)
    segment.mark(0, segment.at(-1).position)
    const range = { from: segment.at(-2).position, to: segment.bytes.length }
    expect(await outcomes([segment], segment, range)).toEqual({ 'reads 3, opens': 8 * (range.to - range.from) })
  })

  it('in the last commit, which nothing proves yet, takes it for torn; in those before is refused', async () => {
    const segment = threeCommits()
    const { position } = segment.at(-1)
    expect(await outcomes([segment], segment, { from: segment.headBytes, to: position })).toEqual({
      'refuses to read, refuses to open': 8 * (position - segment.headBytes),
    })
    expect(await outcomes([segment], segment, { from: position, to: segment.bytes.length })).toEqual({
      'reads 2, opens': 8 * (segment.bytes.length - position),
    })
  })

  it('in an ended segment is refused by readers, and by a writer where it concerns what that goes on from', async () => {
    const first = new SegmentBytes().records('one').records('two').seal()
    const last = new SegmentBytes({ baseOffset: 2, previous: first.link }).records('three')
    const [mark, seal] = [first.at(-2).position, first.at(-1).position]
    const head = await outcomes([first, last], first, { from: 0, to: first.headBytes })
    expect(head).toEqual({ 'refuses to read, refuses to open': 8 * first.headBytes })
    const records = await outcomes([first, last], first, { from: first.headBytes, to: mark })
    expect(records).toEqual({ 'refuses to read, opens': 8 * (mark - first.headBytes) })
    const sealHeader = await outcomes([first, last], first, { from: seal, to: seal + 40 })
    expect(sealHeader).toEqual({ 'refuses to read, refuses to open': 8 * 40 })
    for (const range of [
      { from: mark, to: seal },
      { from: seal + 40, to: first.bytes.length },
    ]) {
      expect(await outcomes([first, last], first, range)).toEqual({ 'reads 3, opens': 8 * (range.to - range.from) })
    }
  })
})
