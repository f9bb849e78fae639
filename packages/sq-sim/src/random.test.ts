import { describe, expect, it } from 'vitest'
import { Random } from './random.ts'

const draw = (random: Random, count: number): number[] => Array.from({ length: count }, () => random.uint32())

describe('Random', () => {
  it('gives the same numbers for the same seed, for ever', () => {
    // Output of the reference code in C (PractRand's sfc32 with seed_fast for 64 bits).
    expect(draw(new Random(0), 4)).toEqual([1363572419, 145230303, 808754475, 4216505632])
    expect(draw(new Random(0x0123_4567_89ab_cdefn), 4)).toEqual([2222009751, 4121156040, 1557176981, 903895892])
  })

  it('gives different numbers for a different seed', () => {
    expect(draw(new Random(1), 4)).not.toEqual(draw(new Random(2), 4))
    expect(draw(new Random(1), 4)).not.toEqual(draw(new Random(1n << 32n), 4))
  })

  it('refuses a seed that is not a whole number of 64 bits', () => {
    for (const seed of [-1, 0.5, NaN, 2 ** 53, -1n, 1n << 64n]) expect(() => new Random(seed)).toThrow(RangeError)
    expect(draw(new Random(2n ** 64n - 1n), 1)).toHaveLength(1)
  })

  it('draws every whole number below the limit about as often', () => {
    const random = new Random(7)
    const drawn = Array.from({ length: 60_000 }, () => random.int(6))
    const counts = [0, 1, 2, 3, 4, 5].map((number) => drawn.filter((one) => one === number).length)
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500)
    expect(random.int(1)).toBe(0)
    expect(random.int(2 ** 32)).toBeLessThan(2 ** 32)
  })

  it('rejects draws that would favour small numbers', () => {
    // With a limit just above 2^31, nearly half of the draws must be rejected. Otherwise the mean is wrong.
    const random = new Random(8)
    const limit = 3 * 2 ** 30
    let sum = 0
    for (let i = 0; i < 20_000; i++) sum += random.int(limit) / limit
    expect(Math.abs(sum / 20_000 - 0.5)).toBeLessThan(0.01)
  })

  it('refuses limits that leave nothing to draw', () => {
    for (const limit of [0, -1, 1.5, NaN, 2 ** 32 + 1]) expect(() => new Random(1).int(limit)).toThrow(RangeError)
  })

  it('draws floats from 0 to below 1', () => {
    const random = new Random(9)
    let sum = 0
    for (let i = 0; i < 10_000; i++) {
      const drawn = random.float()
      expect(drawn >= 0 && drawn < 1).toBe(true)
      sum += drawn
    }
    expect(Math.abs(sum / 10_000 - 0.5)).toBeLessThan(0.02)
  })

  it('chance is never true at 0, and always at 1', () => {
    const random = new Random(10)
    let hits = 0
    for (let i = 0; i < 10_000; i++) {
      expect(random.chance(0)).toBe(false)
      expect(random.chance(1)).toBe(true)
      if (random.chance(0.25)) hits++
    }
    expect(Math.abs(hits - 2500)).toBeLessThan(200)
  })

  it('picks from a list, and refuses an empty one', () => {
    const random = new Random(11)
    const picked = new Set(Array.from({ length: 100 }, () => random.pick(['a', 'b', undefined])))
    expect(picked).toEqual(new Set(['a', 'b', undefined]))
    expect(() => random.pick([])).toThrow(RangeError)
  })

  it('gives the requested number of bytes', () => {
    const random = new Random(12)
    for (const count of [0, 1, 3, 4, 5, 1000]) expect(random.bytes(count)).toHaveLength(count)
    expect(new Set(random.bytes(4096)).size).toBe(256)
  })

  it('gives whole numbers of 64 bits', () => {
    const random = new Random(13)
    let seen = 0n
    for (let i = 0; i < 100; i++) seen |= random.bigUint64()
    expect(seen).toBe(2n ** 64n - 1n)
  })

  it('forks a generator whose draws leave its own sequence alone', () => {
    const one = new Random(14)
    const two = new Random(14)
    const fork = one.fork()
    two.fork()
    draw(fork, 100)
    expect(draw(one, 4)).toEqual(draw(two, 4))
    expect(draw(fork, 4)).not.toEqual(draw(one, 4))
  })

  it('seeded by entropy, is different each time', () => {
    expect(draw(Random.fromEntropy(), 4)).not.toEqual(draw(Random.fromEntropy(), 4))
  })
})
