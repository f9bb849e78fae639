import { expect, test } from 'vitest'
import { growthPerMinute } from './sampling.ts'
import type { Sample } from './sampling.ts'

/** Two minutes of samples, one per second. `rss` gives the resident memory by time. */
function samples(rss: (minutes: number) => number): Sample[] {
  return Array.from({ length: 120 }, (_, at) => {
    const minutes = at / 60
    return { minutes, rss: rss(minutes), heapUsed: 0, external: 0, arrayBuffers: 0 }
  })
}

test('the growth of memory that rises linearly is its slope', () => {
  expect(
    growthPerMinute(
      samples((minutes) => 100 + 7 * minutes),
      'rss',
    ),
  ).toBeCloseTo(7)
})

test('the growth of memory that goes up and down is near zero', () => {
  const growth = growthPerMinute(
    samples((minutes) => 100 + 20 * Math.sin(60 * minutes)),
    'rss',
  )
  expect(Math.abs(growth)).toBeLessThan(1)
})
