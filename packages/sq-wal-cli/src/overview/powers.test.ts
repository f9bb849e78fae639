import { expect, test } from 'vitest'
import { Powers } from './powers.ts'

function classesOf(...values: readonly number[]): unknown {
  const powers = new Powers()
  for (const value of values) powers.add(value)
  return powers.classes()
}

test.each([
  [[0], [{ from: 0, count: 1 }]],
  [[1], [{ from: 1, count: 1 }]],
  [[2, 3], [{ from: 2, count: 2 }]],
  [
    [1023, 1024],
    [
      { from: 512, count: 1 },
      { from: 1024, count: 1 },
    ],
  ],
  [[2 ** 40], [{ from: 2 ** 40, count: 1 }]],
  [[], []],
])('the classes of %j', (values, classes) => {
  expect(classesOf(...values)).toEqual(classes)
})

test('a class between two others is there without a value', () => {
  expect(classesOf(1, 5)).toEqual([
    { from: 1, count: 1 },
    { from: 2, count: 0 },
    { from: 4, count: 1 },
  ])
})
