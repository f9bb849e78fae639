import { expect, test } from 'vitest'
import { KeyCounts } from './key-counts.ts'

test('few keys are counted exactly', () => {
  const counts = new KeyCounts(10)
  for (const key of ['a', 'b', 'a', null]) counts.add(key === null ? null : Buffer.from(key))
  const top = [
    { key: 'a', records: 2 },
    { key: 'b', records: 1 },
  ]
  expect(counts.report(5)).toEqual({ keyless: 1, distinct: 2, isExact: true, missedAtMost: 0, top })
})

test('among many keys the frequent ones are found, with a bound of what their counts miss', () => {
  const counts = new KeyCounts(100)
  for (let at = 0; at < 50_000; at++) counts.add(Buffer.from(at % 10 === 0 ? 'frequent' : `rare ${at}`))
  const { top, isExact, missedAtMost, distinct } = counts.report(1)
  expect(isExact).toBe(false)
  expect(distinct).toBeGreaterThan(100)
  expect(top[0]?.key).toBe('frequent')
  expect(top[0]?.records).toBeLessThanOrEqual(5000)
  expect((top[0]?.records ?? 0) + missedAtMost).toBeGreaterThanOrEqual(5000)
})

test('long keys with the same beginning are different', () => {
  const counts = new KeyCounts(10)
  const beginning = 'x'.repeat(1000)
  for (const end of ['1', '2', '2']) counts.add(Buffer.from(beginning + end))
  const { top, distinct } = counts.report(5)
  expect(distinct).toBe(2)
  expect(top.map(({ records }) => records)).toEqual([2, 1])
  expect(top[0]?.key).toMatch(/^x{64}\.\.\. \(1001 bytes, sha256 [0-9a-f]{12}\)$/)
})
