import { expect, test } from 'vitest'
import { mustBePositive, UsageError } from './options.ts'

test('a count of 0 is refused, with the name of its option', () => {
  expect(() => mustBePositive({ seeds: 1, cases: 7 })).not.toThrow()
  expect(() => mustBePositive({ seeds: 0 })).toThrow(
    new UsageError('--seeds expects a whole number, 1 or more; found 0'),
  )
})
