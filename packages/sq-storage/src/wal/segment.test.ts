import { describe, expect, it } from 'vitest'
import { joined, u16, u32 } from '../testing/hand-bytes.ts'
import { decodeSegmentHeader, encodeSegmentHeader, parseSegmentName, segmentName } from './segment.ts'

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

  it('is nothing else: not 31 bytes, not another magic', () => {
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
