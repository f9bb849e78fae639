import { expect, test } from 'vitest'
import { growthPerMinute } from './sampling.ts'
import type { Sample } from './sampling.ts'

/** A sample a second, resident memory given by the minute. */
function samples(rss: (minutes: number) => number): Sample[] {
  return Array.from({ length: 120 }, (_, at) => {
    const minutes = at / 60
    return { minutes, rss: rss(minutes), heapUsed: 0, external: 0, arrayBuffers: 0 }
  })
}

test('memory that rises evenly grows by as much a minute', () => {
  expect(
    growthPerMinute(
      samples((minutes) => 100 + 7 * minutes),
      'rss',
    ),
  ).toBeCloseTo(7)
})

test('memory that goes up and down grows by little', () => {
  const growth = growthPerMinute(
    samples((minutes) => 100 + 20 * Math.sin(60 * minutes)),
    'rss',
  )
  expect(Math.abs(growth)).toBeLessThan(1)
})
