import { expect, test } from 'vitest'
import { Explorer } from './explorer.ts'
import { sequences } from './workloads.ts'

test('every workload of one step survives every power cut', { timeout: 60_000 }, async () => {
  const explorer = new Explorer()
  let images = 0
  for (const workload of sequences(1)) images += (await explorer.explore(workload, 'ext4')).digests.length
  expect(images).toBeGreaterThan(1000)
})

test('the sequences of up to two steps are all of them', () => {
  const names = sequences(2).map((steps) => steps.map(({ name }) => name).join())
  expect(new Set(names).size).toBe(12 + 144)
})
