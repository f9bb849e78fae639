import { expect, test } from 'vitest'
import { succeeded, tableOf, tallyOf } from './tally.ts'
import type { NodeRun } from './tally.ts'

const good: NodeRun = { version: '20.19.0', status: 0, passed: 127, failed: 0, skipped: 0, elapsedMs: 99_400 }

test('the tests of all packages are added up', () => {
  const log = [
    ' Test Files  1 failed | 8 passed (9)',
    '      Tests  2 failed | 104 passed | 1 skipped (107)',
    '   Start at  03:17:47',
    '      Tests  384 passed (384)',
  ].join('\n')
  expect(tallyOf(log)).toEqual({ passed: 488, failed: 2, skipped: 1 })
})

test('an output without tests has the sum 0', () => {
  expect(tallyOf('Tests were not found')).toEqual({ passed: 0, failed: 0, skipped: 0 })
})

test.each<[string, Partial<NodeRun>, boolean]>([
  ['all tests pass', {}, true],
  ['some are skipped', { skipped: 3 }, true],
  ['one fails', { failed: 1, status: 1 }, false],
  ['one fails and the exit status hides it', { failed: 1 }, false],
  ['the build before them fails', { passed: 0, status: 2 }, false],
  ['there are none', { passed: 0 }, false],
  ['a signal ends them', { status: null }, false],
])('where %s: success is %3$s', (_, change, expected) => {
  expect(succeeded({ ...good, ...change })).toBe(expected)
})

test('the table has one line per version', () => {
  expect(tableOf([good, { ...good, version: '26.10.0', passed: 126, failed: 1, status: 1 }])).toBe(
    [
      'Node         passed   failed  skipped  seconds',
      '20.19.0         127        0        0       99  ok',
      '26.10.0         126        1        0       99  FAILED, exit status 1',
    ].join('\n'),
  )
})
