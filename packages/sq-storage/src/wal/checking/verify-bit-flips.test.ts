import { describe, expect, it } from 'vitest'
import { CorruptLogError, UnsupportedFormatError, verify } from '../../index.ts'
import { flipped } from '../../testing/hand-bytes.ts'
import { LogFixture } from '../../testing/log-fixture.ts'
import { SegmentBytes } from '../../testing/segment-bytes.ts'

/** A sealed segment, an abandoned one, and one that continues after a pair of MARKs. */
function threeSegments(): [SegmentBytes, SegmentBytes, SegmentBytes] {
  const sealed = new SegmentBytes().records('one').seal()
  const abandoned = new SegmentBytes({ baseOffset: 1, previous: sealed.link }).records('two').records('three')
  const last = new SegmentBytes({ baseOffset: 3, previous: abandoned.link }).records('four').mark(8)
  last.mark(0, last.at(-1).position).records('five')
  return [sealed, abandoned, last]
}

const segments = threeSegments()
const [, , last] = segments

/** Verifies the log with one bit of one file flipped. */
async function outcome(log: LogFixture, target: SegmentBytes, bit: number): Promise<string> {
  await log.overwrite(log.path(target.baseOffset), flipped(target.bytes, bit))
  const { problems, notes } = await verify(log.fs, log.config, 'orders', 0)
  const { error } = await log.outcome()
  const isRefused = error instanceof CorruptLogError || error instanceof UnsupportedFormatError
  if (isRefused) expect(problems).not.toEqual([])
  else expect(error).toBe(null)
  for (const { path, from, to } of problems) {
    expect([path, from <= bit / 8, bit / 8 < to]).toEqual([log.path(target.baseOffset), true, true])
  }
  await log.overwrite(log.path(target.baseOffset), target.bytes)
  return problems.length > 0 ? 'problem' : notes.map(({ kind }) => kind).join()
}

describe('every single bit flipped', { timeout: 60_000 }, () => {
  it.each([0, 1, 2] as const)('in segment %d is reported, unless nothing confirms the bytes', async (index) => {
    const log = new LogFixture()
    await log.makeSegments(...segments)
    const target = segments[index]
    const counts: Record<string, number> = {}
    for (let bit = 0; bit < 8 * target.bytes.length; bit++) {
      const found = await outcome(log, target, bit)
      counts[found] = (counts[found] ?? 0) + 1
    }
    const bits = 8 * target.bytes.length
    const unconfirmed = 8 * (target.bytes.length - target.at(-1).position)
    const inLast = { problem: bits - unconfirmed - 64, torn: unconfirmed, mark: 64 }
    expect(counts).toEqual(target === last ? inLast : { problem: bits })
  })
})
