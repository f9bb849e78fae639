import { constants } from 'node:buffer'
import { expect, test } from 'vitest'
import { CommandError } from '../command-error.ts'
import { RecordWriter } from './record-writer.ts'

test('a value that no pattern can be used on is named, with what to do', () => {
  const writer = new RecordWriter({ format: 'text', grep: 'x' })
  // Its bytes are never looked at.
  const value = new Proxy(Buffer.alloc(0), {
    get: (_, key) => (key === 'length' ? constants.MAX_STRING_LENGTH + 1 : undefined),
  })
  const record = { offset: 7n, key: null, value, headers: [], timestampMs: 1 }
  expect(() => writer.wants(record)).toThrow(CommandError)
  expect(() => writer.wants(record)).toThrow(
    /^cannot look for --grep in the record at offset 7: .* pass it by with --from 8, or .* --from 7 --count 1 --format raw$/,
  )
})
