import { expect, test } from 'vitest'
import { Fuzzer } from './fuzz.ts'

const EXPECTED = [/^damaged, reader: whole/, /^forged, .*writer: torn/, /writer: SQ_WAL_CORRUPT/, /SQ_WAL_UNSUPPORTED/]

test('the named hostile logs get the expected verdicts', { timeout: 60_000 }, async () => {
  const fuzzer = await Fuzzer.create()
  expect(await fuzzer.named()).toBeGreaterThan(20)
})

test(
  'a damaged or forged log is read, refused or continued, and nothing else happens',
  { timeout: 60_000 },
  async () => {
    const fuzzer = await Fuzzer.create()
    const found = await fuzzer.run({ firstSeed: 0, cases: 600 })
    const outcomes = Object.keys(found)
    for (const expected of EXPECTED) expect(outcomes.filter((outcome) => expected.test(outcome))).not.toEqual([])
    expect(await fuzzer.run({ firstSeed: 0, cases: 600 })).toEqual(found)
  },
)
