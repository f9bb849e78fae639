import { expect, test } from 'vitest'
import { simulateTraced } from './simulation.ts'

test('the first seeds lose nothing, and two runs of a seed are identical', { timeout: 60_000 }, async () => {
  let stops = 0
  for (let seed = 0; seed < 20; seed++) {
    const found = await simulateTraced(seed)
    expect((await simulateTraced(seed)).traceHash).toBe(found.traceHash)
    stops += found.stops
  }
  expect(stops).toBeGreaterThan(0)
})
