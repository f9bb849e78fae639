import { expect, test } from 'vitest'
import { logScale, spaced } from './log-scale.ts'

test('equal ratios are equally far apart', () => {
  const { at } = logScale([1, 1000], { from: 0, to: 600 })
  expect(at(10) - at(1)).toBeCloseTo(at(1000) - at(100))
})

test('all figures lie between the ends', () => {
  const { at } = logScale([3, 7000], { from: 400, to: 20 })
  for (const figure of [3, 7000]) expect(at(figure)).toSatisfy((place: number) => place < 400 && place > 20)
})

test('the grid has more lines if the range has few powers of ten', () => {
  expect(logScale([1, 5000], { from: 0, to: 1 }).ticks).toEqual([1, 10, 100, 1000])
  expect(logScale([0.4, 3], { from: 0, to: 1 }).ticks).toEqual([0.5, 1, 2])
})

test('labels that would overlap are moved apart and keep their order', () => {
  expect(spaced([10, 12, 11, 90], { minDistance: 16, end: 100 })).toEqual([10, 42, 26, 90])
})

test('labels past the end are moved back', () => {
  expect(spaced([95, 98, 99], { minDistance: 10, end: 100 })).toEqual([80, 90, 100])
})
