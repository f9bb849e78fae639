import { Random } from '@sq/sim'
import { describe, expect, it } from 'vitest'
import { checkNothingLost, drawKillMoments } from './append-with-kills.ts'

describe('the moments of the kills', () => {
  it('are spread over the records, one in each part', () => {
    const moments = drawKillMoments(5, 1000, new Random(1))
    expect(moments.map((moment) => Math.floor(moment / 200))).toEqual([0, 1, 2, 3, 4])
  })

  it('are the same for the same seed, and others for another', () => {
    expect(drawKillMoments(5, 231_083, new Random(7))).toEqual(drawKillMoments(5, 231_083, new Random(7)))
    expect(drawKillMoments(5, 231_083, new Random(7))).not.toEqual(drawKillMoments(5, 231_083, new Random(8)))
  })

  it('never lie past the last record, however many they are', () => {
    const moments = drawKillMoments(100, 3, new Random(1))
    expect(moments).toHaveLength(100)
    expect(moments).toEqual(moments.toSorted((a, b) => a - b))
    expect(moments.at(-1)).toBeLessThan(3)
  })
})

describe('a new child', () => {
  const life = { from: 0, acknowledged: 100, discardedBytes: 0, elapsedMs: 1 }

  it.each([100, 101])('may find %i records where 100 were acknowledged', (from) => {
    expect(() => checkNothingLost(life, { ...life, from })).not.toThrow()
  })

  it('must not find fewer', () => {
    expect(() => checkNothingLost(life, { ...life, from: 99 })).toThrow(/100 were acknowledged .* 99 are in/)
  })
})
