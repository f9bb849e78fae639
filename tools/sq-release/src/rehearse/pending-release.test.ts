import { expect, test } from 'vitest'
import { judge } from './pending-release.ts'
import type { PendingRelease } from './pending-release.ts'

const unchanged: PendingRelease = {
  name: '@sq/sim',
  before: '0.1.0',
  after: '0.1.0',
  named: false,
  changed: [],
  shipped: ['package.json', 'dist/clock.js', 'CHANGELOG.md'],
}

test('a package that a changeset names is published', () => {
  expect(judge({ ...unchanged, after: '0.2.0', named: true, changed: ['src/clock.ts'] })).toEqual({ publishes: true })
})

test('a package that did not change is not published', () => {
  expect(judge(unchanged)).toEqual({ publishes: false })
})

test('a change without a changeset is a fault that names the files', () => {
  expect(judge({ ...unchanged, changed: ['package.json', 'src/clock.ts'] })).toEqual({
    publishes: false,
    fault: 'no changeset names @sq/sim, but since 0.1.0 it changed in package.json, src/clock.ts',
  })
})

test('a package that follows another is published', () => {
  expect(judge({ ...unchanged, after: '0.1.1' })).toEqual({ publishes: true })
})

test('a change without a changeset is a fault even if the version follows another package', () => {
  expect(judge({ ...unchanged, after: '0.1.1', changed: ['src/clock.ts'] })).toEqual({
    publishes: true,
    fault: 'no changeset names @sq/sim, but since 0.1.0 it changed in src/clock.ts',
  })
})

test('a file that is not published may change without a changeset', () => {
  const changed = ['src/clock.test.ts', 'tsconfig.json', 'CHANGELOG.md']
  expect(judge({ ...unchanged, changed })).toEqual({ publishes: false })
})

test('a package that was never released needs a changeset', () => {
  expect(judge({ ...unchanged, before: '0.0.0', after: '0.0.0', changed: undefined }).fault).toBe(
    '@sq/sim was never released, and no changeset names it',
  )
})

test('without a tag, a note says that changes cannot be determined', () => {
  const { fault, note, publishes } = judge({ ...unchanged, changed: undefined })
  expect({ fault, publishes }).toEqual({ fault: undefined, publishes: true })
  expect(note).toContain('there is no tag @sq/sim@0.1.0 here')
})
