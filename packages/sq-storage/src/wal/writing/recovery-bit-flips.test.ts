import { describe, expect, it } from 'vitest'
import { flipOutcomes } from '../../testing/bit-flips.ts'
import { SegmentBytes } from '../../testing/segment-bytes.ts'
import { segmentName } from '../segment.ts'

function threeCommits(): SegmentBytes {
  return new SegmentBytes().records('one').records('two').records('three')
}

/** All outcomes of flipping each bit of some bytes of a segment, and how many bits had each. */
function outcomes(
  segments: readonly SegmentBytes[],
  target: SegmentBytes,
  range: { from: number; to: number },
): Promise<Record<string, number>> {
  const files = new Map(segments.map(({ baseOffset, bytes }) => [segmentName(baseOffset), bytes]))
  return flipOutcomes({ topic: 'orders', partition: 0, files }, { name: segmentName(target.baseOffset), ...range })
}

describe('every single bit flipped', { timeout: 60_000 }, () => {
  it('in commits that a later frame confirms is refused: nothing wrong is returned, nothing goes missing', async () => {
    const segment = threeCommits().mark(8)
    segment.mark(0, segment.at(-1).position)
    const to = segment.at(-2).position
    expect(await outcomes([segment], segment, { from: 0, to })).toEqual({ 'refuses to read, refuses to open': 8 * to })
  })

  it('in the MARKs that confirm them changes nothing', async () => {
    const segment = threeCommits().mark(8)
    segment.mark(0, segment.at(-1).position)
    const range = { from: segment.at(-2).position, to: segment.bytes.length }
    expect(await outcomes([segment], segment, range)).toEqual({ 'reads 3, opens': 8 * (range.to - range.from) })
  })

  it('in the last commit, which nothing confirms yet, makes that commit torn; in earlier ones is refused', async () => {
    const segment = threeCommits()
    const { position } = segment.at(-1)
    expect(await outcomes([segment], segment, { from: segment.headBytes, to: position })).toEqual({
      'refuses to read, refuses to open': 8 * (position - segment.headBytes),
    })
    expect(await outcomes([segment], segment, { from: position, to: segment.bytes.length })).toEqual({
      'reads 2, opens': 8 * (segment.bytes.length - position),
    })
  })

  it('in an ended segment is refused by readers, and by a writer if it affects what the writer continues from', async () => {
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
