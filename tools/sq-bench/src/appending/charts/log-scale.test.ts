import { expect, test } from 'vitest'
import { apart, logScale } from './log-scale.ts'

test('equal ratios are equally far apart', () => {
  const { at } = logScale([1, 1000], { from: 0, to: 600 })
  expect(at(10) - at(1)).toBeCloseTo(at(1000) - at(100))
})

test('all figures lie between the ends', () => {
  const { at } = logScale([3, 7000], { from: 400, to: 20 })
  for (const figure of [3, 7000]) expect(at(figure)).toSatisfy((place: number) => place < 400 && place > 20)
})

test('the grid has more lines where there are few powers of ten', () => {
  expect(logScale([1, 5000], { from: 0, to: 1 }).ticks).toEqual([1, 10, 100, 1000])
  expect(logScale([0.4, 3], { from: 0, to: 1 }).ticks).toEqual([0.5, 1, 2])
})

test('names that would overlap are moved apart, in their order', () => {
  expect(apart([10, 12, 11, 90], { least: 16, end: 100 })).toEqual([10, 42, 26, 90])
})

test('names at the end are moved back', () => {
  expect(apart([95, 98, 99], { least: 10, end: 100 })).toEqual([80, 90, 100])
})
