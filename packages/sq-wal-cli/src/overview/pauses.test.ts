import { expect, test } from 'vitest'
import { Pauses } from './pauses.ts'

function pausesOf(limit: number, times: readonly number[]): Pauses {
  const pauses = new Pauses(limit)
  for (const [offset, ms] of times.entries()) pauses.add(offset, ms)
  return pauses
}

test('the longest pauses are kept, the longest first', () => {
  expect(pausesOf(2, [0, 5, 6, 16, 20]).longest).toEqual([
    { offset: 3, fromMs: 6, toMs: 16 },
    { offset: 1, fromMs: 0, toMs: 5 },
  ])
})

test('a record with an earlier timestamp begins and ends no pause', () => {
  const pauses = pausesOf(5, [100, 3, 110])
  expect(pauses.longest).toEqual([{ offset: 2, fromMs: 100, toMs: 110 }])
  expect(pauses.outOfOrder).toBe(1)
})

test('a pause begins at the largest timestamp that was reached', () => {
  const pauses = pausesOf(5, [0])
  pauses.reached(40)
  pauses.add(7, 50)
  expect(pauses.longest).toEqual([{ offset: 7, fromMs: 40, toMs: 50 }])
})

test('one record has no pause before it', () => {
  expect(pausesOf(5, [1234]).longest).toEqual([])
})
