import { constants } from 'node:buffer'
import { expect, test } from 'vitest'
import { CommandError } from '../command-error.ts'
import { RecordFilter } from './record-filter.ts'

test('a value too large for --grep is an error that names its offset and the next step', () => {
  const filter = new RecordFilter({ grep: 'x' })
  // Its bytes are never read.
  const value = new Proxy(Buffer.alloc(0), {
    get: (_, key) => (key === 'length' ? constants.MAX_STRING_LENGTH + 1 : undefined),
  })
  const record = { offset: 7n, key: null, value, headers: [], timestampMs: 1 }
  expect(() => filter.selects(record)).toThrow(CommandError)
  expect(() => filter.selects(record)).toThrow(
    /^cannot apply --grep to the record at offset 7: .* skip it with --from 8, or .* --from 7 --count 1 --format raw$/,
  )
})
