import { expect, test } from 'vitest'
import { TimeBuckets } from './time-buckets.ts'

test('a bucket is as narrow as the limit allows', () => {
  const buckets = new TimeBuckets(100)
  for (const ms of [5, 5, 7]) buckets.add(ms, { records: 1, bytes: 10 })
  expect(buckets.timeLine()).toEqual({
    widthMs: 1,
    buckets: [
      { startMs: 5, records: 2, bytes: 20 },
      { startMs: 7, records: 1, bytes: 10 },
    ],
  })
})

test('any number of times are at most the limit of buckets, with the same sums', () => {
  const buckets = new TimeBuckets(64)
  for (let at = 0; at < 10_000; at++) buckets.add(1000 + ((at * 7919) % 10_007), { records: 1, bytes: at })
  const { buckets: found } = buckets.timeLine()
  expect(found.length).toBeLessThanOrEqual(64)
  expect(found.reduce((sum, { records }) => sum + records, 0)).toBe(10_000)
  expect(found.reduce((sum, { bytes }) => sum + bytes, 0)).toBe((10_000 * 9_999) / 2)
})

test('the buckets are in the order of time, and a pause has none', () => {
  const buckets = new TimeBuckets(64)
  for (let at = 0; at < 100; at++) buckets.add(1_000_000 - at, { records: 1, bytes: 1 })
  buckets.add(0, { records: 1, bytes: 1 })
  const { buckets: found } = buckets.timeLine()
  expect(found[0]?.startMs).toBe(0)
  expect(found[1]?.startMs).toBeGreaterThan(999_000)
  expect(found.map(({ startMs }) => startMs)).toEqual(found.map(({ startMs }) => startMs).toSorted((a, b) => a - b))
})

test('the smallest and the largest timestamp do not take more buckets than others', () => {
  const buckets = new TimeBuckets(2)
  for (const ms of [0, 1, Number.MAX_SAFE_INTEGER]) buckets.add(ms, { records: 1, bytes: 1 })
  expect(buckets.timeLine().buckets.length).toBeLessThanOrEqual(2)
})
