import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { withDefect } from './defect.ts'
import { DEFECTS } from './defects.ts'
import { ROOT } from './workspace.ts'

describe('a defect', () => {
  const defect = { name: 'd', file: 'f.ts', find: 'one', replace: '$& two' }

  test('replaces the one text it looks for, whatever stands in its place', () => {
    expect(withDefect('zero one three', defect)).toBe('zero $& two three')
  })

  test.each([
    ['zero', 0],
    ['one one', 2],
  ])('is refused by %j, where its text stands %d times', (source, times) => {
    expect(() => withDefect(source, defect)).toThrow(`in f.ts that stands there ${times} times, not once`)
  })
})

test.each(DEFECTS)('$name: the sources have a place for it', (defect) => {
  const source = readFileSync(join(ROOT, 'packages', defect.file), 'utf8')
  expect(withDefect(source, defect)).not.toBe(source)
})

test('every defect has a name of its own', () => {
  expect(new Set(DEFECTS.map(({ name }) => name)).size).toBe(DEFECTS.length)
})
