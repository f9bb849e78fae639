import { Random } from '@sq/sim'
import { expect, test } from 'vitest'
import { LeastInQueue } from './least-in-queue.ts'

test('the least number of an empty queue is infinite', () => {
  const least = new LeastInQueue()
  expect(least.value).toBe(Infinity)
  least.add(3)
  least.removeFirst()
  expect(least.value).toBe(Infinity)
})

test('after each change it is the least of the numbers that are left', () => {
  const random = new Random(1)
  const least = new LeastInQueue()
  const left: number[] = []
  for (let step = 0; step < 2000; step++) {
    if (left.length > 0 && random.chance(0.45)) {
      left.shift()
      least.removeFirst()
    } else {
      // Also equal ones.
      const value = random.int(10)
      left.push(value)
      least.add(value)
    }
    expect(least.value).toBe(Math.min(...left))
  }
})
