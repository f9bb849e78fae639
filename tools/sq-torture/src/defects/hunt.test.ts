import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Check } from './checks.ts'
import { CHECKS } from './checks.ts'
import type { Defect } from './defect.ts'
import { DEFECTS } from './defects.ts'
import type { Killer } from './hunt.ts'
import { hunt } from './hunt.ts'

const trivial: Defect = {
  name: 'every topic is refused',
  file: 'sq-storage/src/wal/segments/partition.ts',
  find: 'const MAX_TOPIC_LENGTH = 249',
  replace: 'const MAX_TOPIC_LENGTH = 0',
}

/** Hunts the defects. Resolves with what killed each. */
async function killers(defects: readonly Defect[], checks: readonly Check[]): Promise<[string, string | null][]> {
  const found: [string, string | null][] = []
  const onDone = ({ name }: Defect, killer: Killer | null) => {
    found.push([name, killer && `${killer.check.name}: ${killer.what}`])
  }
  await hunt(defects, { checks, atOnce: 1, onDone })
  return found
}

test('a defect is killed by the first test that detects it', { timeout: 120_000 }, async () => {
  const tests = CHECKS.filter(({ name }) => name === 'tests of @sq/sim')
  const defects = DEFECTS.filter(({ name }) => name === 'a failed directory sync is not reported')
  const killer: unknown = expect.stringMatching(/^tests of @sq\/sim: .+\.test\.ts: /)
  expect(await killers(defects, tests)).toEqual([['a failed directory sync is not reported', killer]])
})

test('a defect that no check detects survives, and the next one is seeded into sources without it', async () => {
  const seen: string[] = []
  const looking: Check = {
    name: 'looking',
    folders: ['sq-storage'],
    async run(workspace) {
      seen.push(await readFile(join(workspace.path, 'packages', trivial.file), 'utf8'))
      return null
    },
  }
  const other = { ...trivial, name: 'only short topics are taken', replace: 'const MAX_TOPIC_LENGTH = 3' }
  expect(await killers([trivial, other], [looking])).toEqual([
    [trivial.name, null],
    [other.name, null],
  ])
  expect(seen.map((source) => /MAX_TOPIC_LENGTH = \d+/.exec(source)?.[0])).toEqual([
    'MAX_TOPIC_LENGTH = 0',
    'MAX_TOPIC_LENGTH = 3',
  ])
})

test('a check that also fails without a defect is an error', async () => {
  const broken: Check = { name: 'broken check', folders: ['sq-storage'], run: () => Promise.resolve('always') }
  await expect(killers([trivial], [broken])).rejects.toThrow('the check "broken check" fails without a defect: always')
})

test('a check of one package does not run for defects of another', async () => {
  const other: Check = { name: 'other', folders: ['sq-sim'], run: () => Promise.resolve('noticed') }
  expect(await killers([trivial], [other])).toEqual([[trivial.name, null]])
})
