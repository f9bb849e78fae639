import { expect, test } from 'vitest'
import { makeRecord, serialOf } from './numbered-record.ts'

/** A record as a reader returns it. */
function read(serial: number) {
  const made = makeRecord(serial)
  return { ...made, offset: 7n, value: Uint8Array.from(made.value) }
}

test('a record is recognized by its bytes', () => {
  for (let serial = 0; serial < 300; serial++) expect(serialOf(read(serial))).toBe(serial)
  expect(serialOf(read(2 ** 52))).toBe(2 ** 52)
})

test('a changed byte, length, time or header is a violation', () => {
  const record = read(1)
  expect(record.value.length).toBeGreaterThan(0)
  const flipped = record.value.map((byte, at) => (at === 0 ? byte ^ 1 : byte))
  for (const changed of [
    { ...record, value: flipped },
    { ...record, value: record.value.subarray(1) },
    { ...record, timestampMs: record.timestampMs + 1 },
    { ...record, headers: [{ key: 'h', value: Buffer.alloc(0) }] },
  ]) {
    expect(() => serialOf(changed)).toThrow(
      '1: the record at offset 7, serial number 1, differs from the one that was appended',
    )
  }
  expect(() => serialOf({ ...record, key: null })).toThrow(/^2: /)
})
