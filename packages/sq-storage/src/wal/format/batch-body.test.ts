import { Random } from '@sq/sim'
import { describe, expect, it } from 'vitest'
import { flipped, joined, u32, u64 } from '../../testing/hand-bytes.ts'
import {
  contentOf,
  encodeLead,
  firstSince,
  checkedTimes,
  holdsBatch,
  leadBytes,
  MAX_METADATA_BYTES,
  sliceBody,
  timesOf,
} from './batch-body.ts'
import { areAttributes, Attribute } from './frame.ts'

const { METADATA, OPAQUE, NULL_VALUES } = Attribute
const NO_KEY = u32(0xffff_ffff)

/** A record that holds nothing but its time. */
const record = (timestampMs: number): Buffer => joined(u32(24), u64(timestampMs), NO_KEY, u32(0), u32(0))
const RECORDS = joined(record(5), record(3), record(9))
const TIMES = joined(u64(3), u64(9))

describe('a body', () => {
  it('without attributes holds records', () => {
    expect(contentOf(RECORDS, 0)).toEqual({ metadata: null, records: RECORDS, opaque: null })
  })

  it('with metadata has the metadata before the records', () => {
    const body = joined(u32(4), 'meta', RECORDS)
    expect(contentOf(body, METADATA)).toEqual({ metadata: Buffer.from('meta'), records: RECORDS, opaque: null })
    expect(holdsBatch(body, { recordCount: 3, attributes: METADATA })).toBe(true)
    expect(timesOf(body, { recordCount: 3, attributes: METADATA })).toEqual({ minTimestampMs: 3, maxTimestampMs: 9 })
  })

  it('that is opaque holds times and a payload', () => {
    const opaque = { minTimestampMs: 3, maxTimestampMs: 9, payload: Buffer.from('payload') }
    expect(contentOf(joined(TIMES, 'payload'), OPAQUE)).toEqual({ metadata: null, records: null, opaque })
    const both = joined(u32(4), 'meta', TIMES, 'payload')
    expect(contentOf(both, METADATA | OPAQUE)).toEqual({ metadata: Buffer.from('meta'), records: null, opaque })
    for (const recordCount of [1, 5, 2 ** 32 - 1]) {
      expect(holdsBatch(both, { recordCount, attributes: METADATA | OPAQUE })).toBe(true)
      expect(timesOf(both, { recordCount, attributes: METADATA | OPAQUE })).toMatchObject({ maxTimestampMs: 9 })
    }
  })

  it('that is opaque may have an empty payload', () => {
    expect(contentOf(TIMES, OPAQUE)?.opaque?.payload).toHaveLength(0)
  })

  it('may hold a missing value only with the attribute for it', () => {
    const body = joined(u32(4), 'meta', u32(24), u64(5), NO_KEY, u32(0xffff_ffff), u32(0))
    expect(holdsBatch(body, { recordCount: 1, attributes: METADATA | NULL_VALUES })).toBe(true)
    expect(holdsBatch(body, { recordCount: 1, attributes: METADATA })).toBe(false)
  })

  it.each([
    ['metadata without a length', METADATA, joined(u32(4)).subarray(0, 3)],
    ['metadata of length 0', METADATA, joined(u32(0), RECORDS)],
    ['metadata that is longer than the body', METADATA, joined(u32(5), 'meta')],
    ['metadata of the largest length', METADATA, joined(u32(0xffff_ffff), 'meta', RECORDS)],
    ['metadata over the limit', METADATA, joined(u32(MAX_METADATA_BYTES + 1), Buffer.alloc(MAX_METADATA_BYTES + 1))],
    ['an opaque batch without its times', OPAQUE, TIMES.subarray(0, 15)],
    [
      'an opaque batch whose metadata leaves no times',
      METADATA | OPAQUE,
      joined(u32(4), 'meta', TIMES.subarray(0, 15)),
    ],
    ['times in the wrong order', OPAQUE, joined(u64(9), u64(8))],
    ['a time over 2^53 - 1', OPAQUE, joined(u64(0), u64(2n ** 53n))],
  ])('with %s is invalid', (_, attributes, body) => {
    expect(contentOf(body, attributes)).toBeNull()
    expect(holdsBatch(body, { recordCount: 3, attributes })).toBe(false)
    expect(timesOf(body, { recordCount: 3, attributes })).toBeNull()
    expect(firstSince(body, { recordCount: 3, attributes }, 0)).toBeNull()
    expect(sliceBody(body, attributes, { from: 0, to: 1 })).toBeNull()
  })

  it.each([
    [1, METADATA],
    [MAX_METADATA_BYTES, METADATA],
    [MAX_METADATA_BYTES, METADATA | OPAQUE],
  ])('may hold %d bytes of metadata, with attributes %d', (length, attributes) => {
    const metadata = Buffer.alloc(length, 7)
    const rest = (attributes & OPAQUE) === 0 ? RECORDS : TIMES
    expect(contentOf(joined(u32(length), metadata, rest), attributes)?.metadata?.equals(metadata)).toBe(true)
  })

  it.each([
    [0, 0],
    [2 ** 53 - 1, 2 ** 53 - 1],
    [7, 7],
  ])('that is opaque may have times from %d to %d', (minTimestampMs, maxTimestampMs) => {
    const body = joined(u64(minTimestampMs), u64(maxTimestampMs))
    expect(timesOf(body, { recordCount: 1, attributes: OPAQUE })).toMatchObject({ minTimestampMs, maxTimestampMs })
  })

  it('decodes to the lead that was encoded', () => {
    const random = new Random(8)
    for (let round = 0; round < 500; round++) {
      const metadata = random.chance(0.5) ? Buffer.from(random.bytes(1 + random.int(40))) : null
      const [minTimestampMs, span] = [random.pick([0, 1, 2 ** 32, 2 ** 52]), random.pick([0, 1, 2 ** 32])]
      const times = random.chance(0.5) ? { minTimestampMs, maxTimestampMs: minTimestampMs + span } : null
      const rest = times === null ? RECORDS : Buffer.from(random.bytes(random.int(40)))
      const lead = leadBytes({ metadata, isOpaque: times !== null })
      const body = Buffer.alloc(lead + rest.length, 0xaa)
      expect(encodeLead({ metadata, times }, body, 0)).toBe(lead)
      rest.copy(body, lead)
      const attributes = (metadata === null ? 0 : METADATA) | (times === null ? 0 : OPAQUE)
      const expected =
        times === null ? { records: rest, opaque: null } : { records: null, opaque: { ...times, payload: rest } }
      expect(contentOf(body, attributes)).toEqual({ metadata, ...expected })
    }
  })

  it('decodes to a value or to null, and never throws, with any bit flipped', () => {
    const bodies: [number, Buffer][] = [
      [METADATA, joined(u32(4), 'meta', RECORDS)],
      [METADATA | OPAQUE, joined(u32(4), 'meta', TIMES, 'payload')],
      [METADATA | NULL_VALUES, joined(u32(4), 'meta', u32(24), u64(5), NO_KEY, u32(0xffff_ffff), u32(0))],
    ]
    for (const [attributes, body] of bodies) {
      for (let bit = 0; bit < 8 * body.length; bit++) readAll(flipped(body, bit), { recordCount: 3, attributes })
    }
  })

  it('decodes to a value or to null, and never throws, whatever the bytes are', () => {
    const random = new Random(9)
    for (let round = 0; round < 3000; round++) {
      const body = Buffer.from(random.bytes(random.int(120)))
      for (let at = 0; at + 4 <= body.length; at += 4) if (random.chance(0.8)) body.writeUInt32LE(random.int(40), at)
      readAll(body, { recordCount: random.int(5), attributes: random.int(8) })
    }
  })
})

/** Reads a body in every way; the ways must agree. */
function readAll(body: Buffer, header: { recordCount: number; attributes: number }): void {
  if (!areAttributes(header.attributes)) return
  const content = contentOf(body, header.attributes)
  const holds = holdsBatch(body, header)
  const times = timesOf(body, header)
  expect(checkedTimes(body, header)).toEqual(holds ? times : null)
  const first = firstSince(body, header, 5)
  if (holds) expect([content, times, first]).not.toContain(null)
  if (content?.opaque !== undefined && content.opaque !== null) expect(holds).toBe(true)
  expect(first === null).toBe(times === null)
  sliceBody(body, header.attributes, { from: 0, to: 1 })
}

describe('a part of a body', () => {
  it('has the same metadata', () => {
    const body = joined(u32(4), 'meta', RECORDS)
    expect(sliceBody(body, METADATA, { from: 1, to: 2 })).toEqual(joined(u32(4), 'meta', record(3)))
    expect(sliceBody(body, METADATA, { from: 0, to: 3 })).toEqual(body)
    expect(sliceBody(RECORDS, 0, { from: 2, to: 3 })).toEqual(record(9))
  })

  it('does not exist for an opaque batch', () => {
    expect(sliceBody(joined(TIMES, RECORDS), OPAQUE, { from: 0, to: 1 })).toBeNull()
  })
})

it('the first record since a time has that time or a later one, and an opaque batch counts as one record', () => {
  const firsts = [0, 3, 5, 6, 9, 10].map((sinceMs) => firstSince(RECORDS, { recordCount: 3, attributes: 0 }, sinceMs))
  expect(firsts).toEqual([0, 0, 0, 2, 2, 3])
  const opaque = [0, 9, 10].map((sinceMs) => firstSince(TIMES, { recordCount: 4, attributes: OPAQUE }, sinceMs))
  expect(opaque).toEqual([0, 0, 4])
})
