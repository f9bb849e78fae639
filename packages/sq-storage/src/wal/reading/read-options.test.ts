/** What `read-ranges.test.ts` does not ask of the options: those that are not given, and the limits of numbers. */
import { expect, test } from 'vitest'
import { checkReadOptions } from './read-options.ts'
import type { ReadOptions, ReadRange } from './read-options.ts'

const ALL: ReadRange = {
  from: null,
  fromTimestampMs: null,
  to: Infinity,
  maxRecords: Infinity,
  maxBytes: Infinity,
  follow: false,
  durableOnly: false,
  exact: false,
  signal: null,
}

test('an option that is not given, or is undefined, limits nothing', () => {
  const undefinedOptions = Object.fromEntries(Object.keys(ALL).map((option) => [option, undefined]))
  for (const options of [{}, undefinedOptions]) expect(checkReadOptions(options, 'readBatches')).toEqual(ALL)
})

const { signal } = new AbortController()

test.each<[ReadOptions, Partial<ReadRange>]>([
  [
    { from: 0n, to: 2n ** 53n - 1n },
    { from: 0, to: Number.MAX_SAFE_INTEGER },
  ],
  [{ fromTimestampMs: 0 }, { fromTimestampMs: 0 }],
  [{ fromTimestampMs: Number.MAX_SAFE_INTEGER }, { fromTimestampMs: Number.MAX_SAFE_INTEGER }],
  [
    { maxRecords: 1, maxBytes: 1 },
    { maxRecords: 1, maxBytes: 1 },
  ],
  [
    { maxRecords: Infinity, maxBytes: Infinity },
    { maxRecords: Infinity, maxBytes: Infinity },
  ],
  [
    { follow: true, durableOnly: false },
    { follow: true, durableOnly: false },
  ],
  [
    { durableOnly: true, signal },
    { durableOnly: true, signal },
  ],
])('%o is taken as it is', (options, range) => {
  expect(checkReadOptions(options, 'readBatches')).toEqual({ ...ALL, ...range })
})

test.each<[unknown, string]>([
  [5, 'the options of read must be an object, not 5'],
  [{ maxRecords: 1.5 }, 'maxRecords must be a whole number from 1 to 2^53 - 1: 1.5'],
  [{ maxBytes: 2 ** 53 }, 'maxBytes must be a whole number from 1 to 2^53 - 1: 9007199254740992'],
  [{ follow: null }, 'follow must be true or false, not null'],
])('%o is refused', (options, message) => {
  expect(() => checkReadOptions(options as ReadOptions, 'read')).toThrow(message)
})
