import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { withDefect } from './defect.ts'
import { DEFECTS } from './defects.ts'
import { ROOT } from './workspace.ts'

describe('a defect', () => {
  const defect = { name: 'd', file: 'f.ts', find: 'one', replace: '$& two' }

  test('a defect replaces its text literally', () => {
    expect(withDefect('zero one three', defect)).toBe('zero $& two three')
  })

  test.each([
    ['zero', 0],
    ['one one', 2],
  ])('a defect is refused by the source %j, which has its text %d times', (source, times) => {
    expect(() => withDefect(source, defect)).toThrow(`expected once in f.ts, found ${times} times`)
  })
})

test.each(DEFECTS)('the sources have the text of the defect: $name', (defect) => {
  const source = readFileSync(join(ROOT, 'packages', defect.file), 'utf8')
  expect(withDefect(source, defect)).not.toBe(source)
})

test('every defect has a unique name', () => {
  expect(new Set(DEFECTS.map(({ name }) => name)).size).toBe(DEFECTS.length)
})
