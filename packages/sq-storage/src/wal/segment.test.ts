import { Random } from '@sq/sim'
import { describe, expect, it } from 'vitest'
import { crc, flipped, joined, u16, u32, u64 } from '../testing/hand-bytes.ts'
import { decodeFrameHeader } from './format/frame.ts'
import {
  decodeOpenBody,
  decodeSegmentHeader,
  encodeSegmentHead,
  encodeSegmentHeader,
  MAX_HEAD_BYTES,
  parseSegmentName,
  segmentName,
} from './segment.ts'
import type { OpenBody } from './segment.ts'

describe('the segment header', () => {
  it.each([
    [1, 'o'],
    [19, 'o'.repeat(19)],
    [20, 'o'.repeat(20)],
    [21, 'o'.repeat(20)],
    [249, 'o'.repeat(20)],
  ])('holds a topic of %d characters, padded or cut to 20 bytes', (length, start) => {
    const header = encodeSegmentHeader({ topic: 'o'.repeat(length), partition: 7 })
    expect(header).toEqual(joined('SQWL', u16(1), u16(length), start, Buffer.alloc(20 - start.length), u32(7)))
    expect(decodeSegmentHeader(header)).toEqual({ version: 1, topicLength: length, topicStart: start, partition: 7 })
  })

  it.each([0, 1, 2 ** 31, 2 ** 32 - 1])('holds partition %d', (partition) => {
    const header = encodeSegmentHeader({ topic: 'orders', partition })
    expect(header.subarray(28)).toEqual(u32(partition))
    expect(decodeSegmentHeader(header)?.partition).toBe(partition)
  })

  it('is read whatever its version is, and whatever follows', () => {
    const header = joined('SQWL', u16(65_535), u16(3), 'abc', Buffer.alloc(17), u32(0), 'more')
    expect(decodeSegmentHeader(header)).toEqual({ version: 65_535, topicLength: 3, topicStart: 'abc', partition: 0 })
  })

  it('is not read from 31 bytes, nor with a different magic', () => {
    const header = encodeSegmentHeader({ topic: 'orders', partition: 0 })
    for (let length = 0; length < 32; length++) expect(decodeSegmentHeader(header.subarray(0, length))).toBeNull()
    for (let at = 0; at < 4; at++) {
      const other = Buffer.from(header)
      other[at] = 0
      expect(decodeSegmentHeader(other)).toBeNull()
    }
    expect(decodeSegmentHeader(Buffer.alloc(512))).toBeNull()
  })
})

describe('the name of a segment', () => {
  it.each([
    [0, '00000000000000000000.wal'],
    [42, '00000000000000000042.wal'],
    [2 ** 53 - 1, '00009007199254740991.wal'],
  ])('is base offset %d in 20 digits', (baseOffset, name) => {
    expect(segmentName(baseOffset)).toBe(name)
    expect(parseSegmentName(name)).toBe(baseOffset)
  })

  it('sorts as the base offset does', () => {
    const names = [0, 9, 10, 99, 2 ** 32, 2 ** 53 - 1].map(segmentName)
    expect(names.toSorted()).toEqual(names)
  })

  it.each([
    '',
    'lock',
    'next.tmp',
    '0.wal',
    '0000000000000000000.wal',
    '000000000000000000000.wal',
    '0000000000000000000a.wal',
    '-0000000000000000001.wal',
    '00000000000000000000.WAL',
    '00000000000000000000.wal.bak',
    '00000000000000000000.wal\n',
    ' 00000000000000000000.wal',
    '٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠.wal',
  ])('is not %j', (name) => {
    expect(parseSegmentName(name)).toBeNull()
  })
})

const FIRST: OpenBody = {
  segmentId: 0xfedc_ba98_7654_3210n,
  createdMs: 1_577_836_800_000,
  previous: null,
  topic: 'orders',
}
const PREVIOUS = { baseOffset: 2 ** 53 - 2, end: 0xfff0_0ff8, lastPosition: 0xfff0_0fd0, lastCrc: 0xdead_beef }

/** A hand-made body of OPEN. */
function openBody({ segmentId, createdMs, previous, topic }: OpenBody): Buffer {
  const link =
    previous === null
      ? [Buffer.alloc(8, 0xff), Buffer.alloc(12)]
      : [u64(previous.baseOffset), u32(previous.end), u32(previous.lastPosition), u32(previous.lastCrc)]
  return joined(u64(segmentId), u64(createdMs), ...link, u16(topic.length), topic)
}

/** A hand-made segment header and OPEN. */
function head(open: OpenBody, { partition, baseOffset }: { partition: number; baseOffset: number }): Buffer {
  const { topic } = open
  const start = topic.slice(0, 20)
  const segmentHeader = joined(
    'SQWL',
    u16(1),
    u16(topic.length),
    start,
    Buffer.alloc(20 - start.length),
    u32(partition),
  )
  const body = openBody(open)
  const fields = joined(
    'FR',
    Buffer.from([1, 0]),
    u32(body.length),
    u64(baseOffset),
    u32(0),
    u32(32),
    u32(0),
    u32(crc(segmentHeader)),
    u32(crc(body)),
  )
  const padding = Buffer.alloc((8 - (body.length % 8)) % 8)
  return joined(segmentHeader, fields, u32(crc(fields, crc(segmentHeader))), body, padding)
}

describe('the head of a segment', () => {
  it.each([1, 2, 3, 10, 19, 20, 21, 249])('is segment header and OPEN, for a topic of %d characters', (length) => {
    const open = { ...FIRST, topic: 't'.repeat(length) }
    const place = { partition: 2 ** 32 - 1, baseOffset: 0 }
    const { bytes } = encodeSegmentHead(open, place)
    expect(bytes).toEqual(head(open, place))
    expect(bytes.length % 8).toBe(0)
    expect(bytes.length).toBeLessThan(MAX_HEAD_BYTES)
  })

  it('states where the segment before ends', () => {
    const open = { ...FIRST, previous: PREVIOUS }
    const place = { partition: 0, baseOffset: 2 ** 53 - 1 }
    expect(encodeSegmentHead(open, place).bytes).toEqual(head(open, place))
  })

  it('gives its last checksum as the salt of what follows', () => {
    const { bytes, salt } = encodeSegmentHead(FIRST, { partition: 0, baseOffset: 0 })
    expect(salt).toBe(bytes.readUInt32LE(32 + 36))
  })

  it.each([
    ['segment id', { ...FIRST, segmentId: 1n }, 0],
    ['topic', { ...FIRST, topic: 'ordert' }, 0],
    ['part of the topic that the header cuts off', { ...FIRST, topic: `${'o'.repeat(20)}x` }, 0],
    ['time', { ...FIRST, createdMs: 0 }, 0],
    ['previous segment', { ...FIRST, previous: PREVIOUS }, 0],
    ['partition', FIRST, 1],
  ])('has a different salt with a different %s', (_, open, partition) => {
    const { salt } = encodeSegmentHead(FIRST, { partition: 0, baseOffset: 0 })
    expect(encodeSegmentHead(open, { partition, baseOffset: 0 }).salt).not.toBe(salt)
  })

  it('does not verify with any bit of its two headers flipped', () => {
    const { bytes } = encodeSegmentHead(FIRST, { partition: 0, baseOffset: 0 })
    for (let bit = 0; bit < 8 * (32 + 40); bit++) {
      const damaged = flipped(bytes, bit)
      expect(decodeFrameHeader(damaged, { at: 32, position: 32, salt: crc(damaged.subarray(0, 32)) })).toBeNull()
    }
  })
})

describe('the body of OPEN', () => {
  it.each([
    ['without a previous segment', FIRST],
    ['with one', { ...FIRST, previous: PREVIOUS }],
    ['with the largest numbers', { ...FIRST, segmentId: 2n ** 64n - 1n, createdMs: 2 ** 53 - 1 }],
    [
      'with the smallest',
      { segmentId: 0n, createdMs: 0, previous: { baseOffset: 0, end: 0, lastPosition: 0, lastCrc: 0 }, topic: 't' },
    ],
    ['with a long topic', { ...FIRST, topic: 't'.repeat(249) }],
  ])('is read %s', (_, open) => {
    expect(decodeOpenBody(openBody(open))).toEqual(open)
  })

  it('is not read if it is cut anywhere, or longer', () => {
    const body = openBody(FIRST)
    for (let length = 0; length < body.length; length++) expect(decodeOpenBody(body.subarray(0, length))).toBeNull()
    expect(decodeOpenBody(joined(body, 'x'))).toBeNull()
  })

  it('never throws, whatever the bytes are', () => {
    const random = new Random(4)
    for (let i = 0; i < 2000; i++) {
      const body = Buffer.from(random.bytes(random.int(80)))
      if (body.length >= 38 && random.chance(0.5)) body.writeUInt16LE(body.length - 38, 36)
      const open = decodeOpenBody(body)
      if (open !== null) expect(open.topic).toHaveLength(body.length - 38)
    }
  })
})
