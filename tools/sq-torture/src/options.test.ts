import { expect, test } from 'vitest'
import { mustBePositive, UsageError } from './options.ts'

test('an option that would have nothing tried is refused by name', () => {
  expect(() => mustBePositive({ seeds: 1, cases: 7 })).not.toThrow()
  expect(() => mustBePositive({ seeds: 0 })).toThrow(new UsageError('--seeds takes a whole number from 1, not 0'))
})
