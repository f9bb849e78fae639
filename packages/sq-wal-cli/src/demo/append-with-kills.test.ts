import { Random } from '@sq/sim'
import { describe, expect, it } from 'vitest'
import { checkNothingLost, drawKillMoments } from './append-with-kills.ts'

describe('the moments of the kills', () => {
  it('the moments of the kills are spread over the records, one in each part', () => {
    const moments = drawKillMoments(5, 1000, new Random(1))
    expect(moments.map((moment) => Math.floor(moment / 200))).toEqual([0, 1, 2, 3, 4])
  })

  it('the same seed gives the same moments, a different seed different ones', () => {
    expect(drawKillMoments(5, 231_083, new Random(7))).toEqual(drawKillMoments(5, 231_083, new Random(7)))
    expect(drawKillMoments(5, 231_083, new Random(7))).not.toEqual(drawKillMoments(5, 231_083, new Random(8)))
  })

  it('no moment is after the last record, even with more kills than records', () => {
    const moments = drawKillMoments(100, 3, new Random(1))
    expect(moments).toHaveLength(100)
    expect(moments).toEqual(moments.toSorted((a, b) => a - b))
    expect(moments.at(-1)).toBeLessThan(3)
  })
})

describe('a new child', () => {
  const life = { from: 0, acknowledged: 100, discardedBytes: 0, elapsedMs: 1 }

  it.each([100, 101])('a child may find %i records after 100 were acknowledged', (from) => {
    expect(() => checkNothingLost(life, { ...life, from })).not.toThrow()
  })

  it('a child that finds fewer records than were acknowledged is an error', () => {
    expect(() => checkNothingLost(life, { ...life, from: 99 })).toThrow(/100 were acknowledged .* 99 are in/)
  })
})
