import { Random } from '@sq/sim'
import { describe, expect, it } from 'vitest'
import { crc, joined, u32, u64 } from '../../testing/hand-bytes.ts'
import { decodeSealBody, encodeEnding, encodeSeal, encodeSealBody, SummaryBuilder } from './seal.ts'
import type { SegmentSummary } from './seal.ts'

const SALT = 0x0bad_cafe
/** Enough bytes before the SEAL for two entries in its index. */
const POSITION = 2 * 64 * 1024
const SUMMARY: SegmentSummary = {
  minTimestampMs: 5,
  maxTimestampMs: 2 ** 53 - 1,
  index: [
    { offsetDelta: 7, position: 65_600, maxTimestampMs: 1_700_000_000_000 },
    { offsetDelta: 2 ** 32 - 1, position: 2 ** 32 - 8, maxTimestampMs: 0 },
  ],
}

/** A hand-made frame without records. */
function frame(fields: {
  type: number
  body: Buffer
  nextOffset: number
  position: number
  durablePosition: number
  previousCrc: number
}): Buffer {
  const { type, body, nextOffset, position, durablePosition, previousCrc } = fields
  const start = joined('FR', Buffer.from([type, 0]), u32(body.length), u64(nextOffset), u32(0))
  const header = joined(start, u32(position), u32(durablePosition), u32(previousCrc), u32(crc(body)))
  return joined(header, u32(crc(header, SALT)), body)
}

function sealBody(position: number): Buffer {
  const first = [u32(7), u32(65_600), u64(1_700_000_000_000)]
  const second = [u32(2 ** 32 - 1), u32(2 ** 32 - 8), u64(0)]
  return joined(u64(5), u64(2n ** 53n - 1n), ...first, ...second, u32(position), 'SQIX')
}

describe('the body of SEAL', () => {
  it('has every field in its place', () => {
    expect(encodeSealBody(SUMMARY, POSITION)).toEqual(sealBody(POSITION))
    expect(decodeSealBody(sealBody(POSITION), POSITION)).toEqual(SUMMARY)
  })

  it('may have no index entries', () => {
    const body = joined(u64(5), u64(6), u32(4096), 'SQIX')
    const summary = { minTimestampMs: 5, maxTimestampMs: 6, index: [] }
    expect(encodeSealBody(summary, 4096)).toEqual(body)
    expect(decodeSealBody(body, 4096)).toEqual(summary)
  })

  it('is rejected at a different position', () => {
    expect(decodeSealBody(sealBody(POSITION), 4096)).toBeNull()
  })

  it('has at most one entry for each 64 KiB before it', () => {
    expect(decodeSealBody(sealBody(POSITION - 8), POSITION - 8)).toBeNull()
    const entry = { offsetDelta: 7, position: 65_600, maxTimestampMs: 0 }
    const index = Array.from({ length: 65_535 }, () => entry)
    const longest = encodeSealBody({ ...SUMMARY, index }, 2 ** 32 - 8)
    expect(longest.length).toBe(2 ** 20 + 8)
    expect(decodeSealBody(longest, 2 ** 32 - 8)?.index).toHaveLength(65_535)
  })

  it('is rejected if it is cut anywhere, longer, or without its magic', () => {
    const body = sealBody(POSITION)
    for (let length = 0; length < body.length; length++)
      expect(decodeSealBody(body.subarray(0, length), POSITION)).toBeNull()
    expect(decodeSealBody(joined(Buffer.alloc(8), body), POSITION)).toBeNull()
    body[body.length - 1] = 0
    expect(decodeSealBody(body, POSITION)).toBeNull()
  })

  it('never throws, whatever the bytes are', () => {
    const random = new Random(8)
    for (let round = 0; round < 2000; round++) {
      const body = Buffer.from(random.bytes(random.int(100)))
      if (body.length >= 8 && random.chance(0.5)) body.set(joined(u32(8192), 'SQIX'), body.length - 8)
      expect(() => decodeSealBody(body, 8192)).not.toThrow()
    }
  })
})

describe('SummaryBuilder', () => {
  const added = { recordCount: 2, minTimestampMs: 10, maxTimestampMs: 20 }

  it('counts records and keeps the extremes of their timestamps', () => {
    const summary = new SummaryBuilder()
    summary.add({ ...added, offsetDelta: 0, position: 96 })
    summary.add({ ...added, offsetDelta: 2, position: 200, minTimestampMs: 3, maxTimestampMs: 4 })
    expect(summary).toMatchObject({ records: 4, minTimestampMs: 3, maxTimestampMs: 20, index: [] })
  })

  it('makes an entry for the first frame that is 64 KiB or more after the last entry', () => {
    const summary = new SummaryBuilder()
    const positions = [96, 65_528, 65_536, 65_600, 131_064, 131_072, 400_000]
    for (const [offsetDelta, position] of positions.entries()) {
      summary.add({ ...added, offsetDelta, position, maxTimestampMs: 100 - offsetDelta })
    }
    expect(summary.index).toEqual([
      { offsetDelta: 2, position: 65_536, maxTimestampMs: 100 },
      { offsetDelta: 5, position: 131_072, maxTimestampMs: 100 },
      { offsetDelta: 6, position: 400_000, maxTimestampMs: 100 },
    ])
  })

  it('states in an entry the largest timestamp before it, not its own', () => {
    const summary = new SummaryBuilder()
    summary.add({ ...added, offsetDelta: 0, position: 70_000, maxTimestampMs: 50 })
    summary.add({ ...added, offsetDelta: 2, position: 140_000, maxTimestampMs: 60 })
    expect(summary.index.map(({ maxTimestampMs }) => maxTimestampMs)).toEqual([0, 50])
  })
})

describe('the ending of a segment', () => {
  const place = { position: 4000, nextOffset: 2 ** 53 - 1, previousCrc: 0x0102_0304, salt: SALT }
  const from = { nextOffset: place.nextOffset, durablePosition: 4000 }

  it('is a MARK up to a 4 KiB boundary, and a second MARK', () => {
    const first = frame({ ...from, type: 3, body: Buffer.alloc(56), position: 4000, previousCrc: place.previousCrc })
    const previousCrc = first.readUInt32LE(36)
    const second = frame({ ...from, type: 3, body: Buffer.alloc(0), position: 4096, previousCrc })
    expect(encodeEnding(place, null)).toEqual({
      bytes: joined(first, second),
      lastPosition: 4096,
      lastCrc: second.readUInt32LE(36),
    })
  })

  it('is a MARK up to a 4 KiB boundary, and a SEAL', () => {
    const first = frame({ ...from, type: 3, body: Buffer.alloc(56), position: 4000, previousCrc: place.previousCrc })
    const previousCrc = first.readUInt32LE(36)
    const seal = frame({ ...from, type: 4, body: sealBody(4096), position: 4096, previousCrc })
    expect(encodeEnding(place, SUMMARY)).toEqual({
      bytes: joined(first, seal),
      lastPosition: 4096,
      lastCrc: seal.readUInt32LE(36),
    })
  })

  it.each([
    [4056, 4096],
    [4064, 8192],
    [4096, 8192],
    [4048, 4096],
    [96, 4096],
    [8152, 8192],
  ])('beginning at %d has its second frame at %d', (position, boundary) => {
    expect(encodeEnding({ ...place, position }, null)).toMatchObject({ lastPosition: boundary })
    expect(encodeEnding({ ...place, position }, null).bytes).toHaveLength(boundary - position + 40)
  })

  it('may be a SEAL alone, where one is written again', () => {
    const { header, body, bytes } = encodeSeal(place, SUMMARY, { durablePosition: 96 })
    const fields = { nextOffset: place.nextOffset, position: 4000, durablePosition: 96, previousCrc: place.previousCrc }
    expect(bytes).toEqual(frame({ ...fields, type: 4, body: sealBody(4000) }))
    expect(body).toEqual(sealBody(4000))
    expect(header).toMatchObject({ type: 4, attributes: 0, recordCount: 0, headerCrc: bytes.readUInt32LE(36) })
  })
})
