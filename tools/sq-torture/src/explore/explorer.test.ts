import { expect, test } from 'vitest'
import { Explorer } from './explorer.ts'
import { sequences, STEPS } from './workloads.ts'
import type { Step } from './workloads.ts'

/** These steps leave most of the images. `pnpm explore` includes them. */
const LARGE = ['append-large', 'append-encoded', 'batch']

test('every workload of one step survives every power cut', { timeout: 60_000 }, async () => {
  const explorer = new Explorer()
  let images = 0
  for (const workload of sequences(1)) {
    if (workload.some(({ name }) => LARGE.includes(name))) continue
    images += (await explorer.explore(workload, { failedSync: 'ext4' })).digests.length
  }
  expect(images).toBeGreaterThan(1000)
})

test('workloads on files that held the same records before survive every power cut', async () => {
  const explorer = new Explorer()
  let images = 0
  for (const workload of [['append'], ['rotate', 'append'], ['append', 'truncate']].map(namedSteps)) {
    for (const files of ['same', 'shifted'] as const) {
      images += (await explorer.explore(workload, { failedSync: 'ext4', files })).digests.length
    }
  }
  expect(images).toBeGreaterThan(500)
})

test('the workloads of up to two steps are all sequences of one or two steps, four of which are never the first', () => {
  const names = sequences(2).map((steps) => steps.map(({ name }) => name).join())
  expect(new Set(names).size).toBe(26 + 22 * 26)
})

test('the workloads of three steps are all sequences of the fourteen steps that are not rare', () => {
  const longest = sequences(3).filter((steps) => steps.length === 3)
  const names = longest.map((steps) => steps.map(({ name }) => name).join())
  expect(new Set(names).size).toBe(14 * 14 * 14)
  expect(longest.flat().filter(({ isRare }) => isRare)).toEqual([])
})

test('a workload explored alone meets every image that it meets after others, so a violation is replayed', async () => {
  const [explorer, known] = [new Explorer(), new Set<number>()]
  for (const names of [['append'], ['burst'], ['rotate', 'burst']]) {
    const workload = namedSteps(names)
    const alone = new Set((await new Explorer().explore(workload, { failedSync: 'ext4' })).digests)
    const later = (await explorer.explore(workload, { failedSync: 'ext4' })).digests
    expect(later.filter((digest) => !alone.has(digest))).toEqual([])
    // An image that it meets alone but not here was met by an earlier workload.
    for (const digest of later) known.add(digest)
    expect([...alone].filter((digest) => !known.has(digest))).toEqual([])
  }
})

function namedSteps(names: readonly string[]): Step[] {
  return names.flatMap((name) => STEPS.filter((step) => step.name === name))
}
