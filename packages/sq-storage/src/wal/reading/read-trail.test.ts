import { expect, test } from 'vitest'
import { ReadTrail } from './read-trail.ts'

/** How often 2 divides a number. */
function twos(number: number): number {
  return number % 2 === 0 ? 1 + twos(number / 2) : 0
}

test('a trail keeps, for each power of 2, the last frame with that power as the largest that divides its number', () => {
  const trail = new ReadTrail()
  expect(trail.newestFirst()).toEqual([])
  for (let count = 1; count <= 1500; count++) {
    const end = { position: 8 * count + 8, nextOffset: count, previousCrc: count, salt: 1 }
    trail.add({ position: 8 * count, end })
    const expected: number[] = []
    const seen = new Set<number>()
    for (let number = count; number > 0; number--) {
      if (!seen.has(twos(number))) expected.push(number)
      seen.add(twos(number))
    }
    const kept = trail.newestFirst()
    expect(kept.map(({ position }) => position / 8)).toEqual(expected)
    expect(kept[0]?.end).toBe(end)
  }
  expect(trail.newestFirst()).toHaveLength(11)
})
