import { Random } from '@sq/sim'
import { describe, expect, it } from 'vitest'
import { crc, flipped, joined, u16, u32, u64 } from '../../testing/hand-bytes.ts'
import {
  checksum,
  copyFrame,
  decodeFrameHeader,
  encodeFrameHeader,
  frameBytes,
  frameEnd,
  FrameType,
  vouchesForAllBefore,
  nextOffsetAfter,
  unknownInFrame,
} from './frame.ts'
import type { FrameHeader } from './frame.ts'

const SALT = 0x1234_5678
const FIELDS = {
  type: FrameType.RECORDS,
  attributes: 5,
  bodyLength: 0x0102_0304,
  baseOffset: 0x0011_2233_4455_6677,
  recordCount: 0x0506_0708,
  position: 0x090a_0b08,
  durablePosition: 0x0d0e_0f10,
  previousCrc: 0x1516_1718,
  bodyCrc: 0xf1f2_f3f4,
}

function encoded(fields: Partial<typeof FIELDS> = {}): Buffer {
  const target = Buffer.alloc(40)
  encodeFrameHeader({ ...FIELDS, ...fields }, target, { at: 0, salt: SALT })
  return target
}

function header(fields: Partial<FrameHeader>): FrameHeader {
  return { ...FIELDS, attributes: 0, headerCrc: 0, ...fields }
}

/** Changes bytes of a header, and corrects its checksum. */
function resigned(bytes: Buffer): Buffer {
  bytes.writeUInt32LE(checksum(bytes.subarray(0, 36), SALT), 36)
  return bytes
}

describe('checksum', () => {
  it('is the standard CRC-32', () => {
    expect(checksum(Buffer.from('123456789'))).toBe(0xcbf4_3926)
    expect(checksum(Buffer.alloc(0))).toBe(0)
  })

  it('continues from a seed', () => {
    expect(checksum(Buffer.from('6789'), checksum(Buffer.from('12345')))).toBe(0xcbf4_3926)
    expect(checksum(Buffer.from('123456789'), SALT)).toBe(crc(Buffer.from('123456789'), SALT))
  })
})

describe('a frame header', () => {
  it('has every field in its place', () => {
    const start = joined(
      'FR',
      Buffer.from([2, 5]),
      u32(0x0102_0304),
      u64(0x0011_2233_4455_6677n),
      u32(0x0506_0708),
      u32(0x090a_0b08),
      u32(0x0d0e_0f10),
      u32(0x1516_1718),
      u32(0xf1f2_f3f4),
    )
    expect(start).toHaveLength(36)
    expect(encoded()).toEqual(joined(start, u32(crc(start, SALT))))
  })

  it('is written at a position, changes nothing else, and returns its own checksum', () => {
    const target = Buffer.alloc(56, 0xaa)
    const headerCrc = encodeFrameHeader(FIELDS, target, { at: 8, salt: SALT })
    expect(target).toEqual(joined(Buffer.alloc(8, 0xaa), encoded(), Buffer.alloc(8, 0xaa)))
    expect(headerCrc).toBe(target.readUInt32LE(44))
    expect(decodeFrameHeader(target, { at: 8, position: FIELDS.position, salt: SALT })).toEqual({
      ...FIELDS,
      headerCrc,
    })
  })

  it('overwrites what was there', () => {
    const target = Buffer.alloc(40, 0xff)
    encodeFrameHeader(FIELDS, target, { at: 0, salt: SALT })
    expect(target).toEqual(encoded())
  })

  it('decodes to the values that were encoded', () => {
    const random = new Random(2)
    const values = [0, 1, 7, 8, 9, 2 ** 31, 2 ** 32 - 1]
    const offsets = [...values, 2 ** 32, 2 ** 53 - 1]
    for (let i = 0; i < 1000; i++) {
      const fields = {
        type: random.int(256),
        attributes: random.int(256),
        bodyLength: random.pick(values),
        baseOffset: random.pick(offsets),
        recordCount: random.pick(values),
        position: random.pick(values),
        durablePosition: random.pick(values),
        previousCrc: random.uint32(),
        bodyCrc: random.uint32(),
      }
      const salt = random.uint32()
      const target = Buffer.alloc(40)
      const headerCrc = encodeFrameHeader(fields, target, { at: 0, salt })
      expect(decodeFrameHeader(target, { at: 0, position: fields.position, salt })).toEqual({
        ...fields,
        headerCrc,
      })
    }
  })

  it('does not verify with any single bit flipped', () => {
    const good = encoded()
    for (let bit = 0; bit < 8 * good.length; bit++) {
      expect(decodeFrameHeader(flipped(good, bit), { at: 0, position: FIELDS.position, salt: SALT })).toBeNull()
    }
  })

  it('does not verify in another segment, which has a different salt', () => {
    const random = new Random(3)
    for (let bit = 0; bit < 32; bit++) {
      const salt = (SALT ^ (1 << bit)) >>> 0
      expect(decodeFrameHeader(encoded(), { at: 0, position: FIELDS.position, salt })).toBeNull()
    }
    for (let i = 0; i < 1000; i++) {
      expect(decodeFrameHeader(encoded(), { at: 0, position: FIELDS.position, salt: random.uint32() })).toBeNull()
    }
  })

  it.each([0, FIELDS.position - 8, FIELDS.position + 8])(
    'does not verify at position %d, where it was not written',
    (position) => {
      expect(decodeFrameHeader(encoded(), { at: 0, position, salt: SALT })).toBeNull()
    },
  )

  it('is missing if fewer than 40 bytes are there', () => {
    for (let length = 0; length < 40; length++) {
      expect(
        decodeFrameHeader(encoded().subarray(0, length), { at: 0, position: FIELDS.position, salt: SALT }),
      ).toBeNull()
    }
    expect(decodeFrameHeader(joined(encoded(), '1234567'), { at: 8, position: FIELDS.position, salt: SALT })).toBeNull()
  })

  it('is not made of zeros', () => {
    expect(decodeFrameHeader(Buffer.alloc(40), { at: 0, position: 0, salt: 0 })).toBeNull()
  })

  it('is read with unknown type and attributes', () => {
    const bytes = encoded()
    bytes.set([9, 0x21], 2)
    const found = decodeFrameHeader(resigned(bytes), { at: 0, position: FIELDS.position, salt: SALT })
    expect(found).toMatchObject({ type: 9, attributes: 0x21 })
  })

  it('is not read with a different marker, even if its checksum is right', () => {
    const bytes = encoded()
    bytes.set(u16(0x5247))
    expect(decodeFrameHeader(resigned(bytes), { at: 0, position: FIELDS.position, salt: SALT })).toBeNull()
  })
})

describe('the sizes of a frame', () => {
  it.each([
    [0, 40],
    [1, 48],
    [7, 48],
    [8, 48],
    [9, 56],
    [2 ** 32 - 1, 2 ** 32 + 40],
  ])('with a body of %d bytes are %d', (bodyLength, bytes) => {
    expect(frameBytes(bodyLength)).toBe(bytes)
    expect(frameEnd(header({ bodyLength, position: 96 }))).toBe(96 + bytes)
  })

  it('in offsets are the number of its records', () => {
    expect(nextOffsetAfter(header({ baseOffset: 10, recordCount: 3 }))).toBe(13)
    expect(nextOffsetAfter(header({ baseOffset: 10, recordCount: 0 }))).toBe(10)
  })
})

describe('a copy of a frame', () => {
  it('has its bytes, in memory of its own', () => {
    const whole = joined(encoded({ bodyLength: 5 }), Buffer.from('value'), Buffer.alloc(3))
    const { bytes, body } = copyFrame(whole, header({ bodyLength: 5 }))
    whole.fill(0xff)
    expect(bytes).toEqual(joined(encoded({ bodyLength: 5 }), Buffer.from('value'), Buffer.alloc(3)))
    expect(body).toEqual(Buffer.from('value'))
    // Otherwise a small frame that is kept would hold a page of Node's pool, of up to 64 KiB.
    expect(bytes.buffer.byteLength).toBe(48)
  })
})

describe('unknownInFrame', () => {
  it('knows the four types', () => {
    for (const type of Object.values(FrameType)) expect(unknownInFrame(header({ type, bodyLength: 8 }))).toBeNull()
    expect(Object.values(FrameType)).toEqual([1, 2, 3, 4])
  })

  it.each([0, 5, 255])('does not know type %d', (type) => {
    expect(unknownInFrame(header({ type }))).toBe(`a frame of type ${type}; this version knows types 1 to 4`)
  })

  it.each([
    [2 ** 53 - 2, 1, null],
    [2 ** 53 - 2, 2, 'a frame with offsets over 2^53 - 1'],
    [2 ** 64, 0, 'a frame with offsets over 2^53 - 1'],
  ])('knows offsets that are numbers: from %d, %d records', (baseOffset, recordCount, found) => {
    expect(unknownInFrame(header({ baseOffset, recordCount }))).toBe(found)
  })

  it.each([
    [FrameType.RECORDS, 2 ** 30 + 24],
    [FrameType.OPEN, 2 ** 20 + 8],
    [FrameType.MARK, 2 ** 20 + 8],
    [FrameType.SEAL, 2 ** 20 + 8],
  ])('knows bodies of type %d of up to %d bytes', (type, longest) => {
    expect(unknownInFrame(header({ type, bodyLength: longest }))).toBeNull()
    for (const bodyLength of [longest + 1, 2 ** 31, 2 ** 32 - 40, 2 ** 32 - 1]) {
      const found = `a frame of type ${type} with a body of ${bodyLength} bytes; this version knows none over ${longest}`
      expect(unknownInFrame(header({ type, bodyLength }))).toBe(found)
    }
  })

  it.each([
    [2 ** 32 - 48, 0, null],
    [2 ** 32 - 48, 1, 'a frame that ends at 4294967296; this version knows no position over 2^32 - 1'],
    [2 ** 32 - 40, 0, 'a frame that ends at 4294967296; this version knows no position over 2^32 - 1'],
    [2 ** 32 - 8, 0, 'a frame that ends at 4294967328; this version knows no position over 2^32 - 1'],
  ])('knows ends that are positions: at %d, a body of %d bytes', (position, bodyLength, found) => {
    expect(unknownInFrame(header({ position, bodyLength }))).toBe(found)
  })

  it('knows three attributes of RECORDS, and no value in an opaque batch that could be null', () => {
    const known = Array.from({ length: 0x100 }, (_, bits) => bits).filter(
      (attributes) => unknownInFrame(header({ bodyLength: 100, position: 32, attributes })) === null,
    )
    expect(known).toEqual([0, 1, 2, 3, 4, 5])
    expect(unknownInFrame(header({ attributes: 0x08 }))).toBe(
      'a frame of type 2 with attributes 0x08; this version does not know them',
    )
  })

  it.each([FrameType.OPEN, FrameType.MARK, FrameType.SEAL])('knows no attributes of type %d', (type) => {
    for (let attributes = 1; attributes < 0x100; attributes++) {
      expect(unknownInFrame(header({ type, bodyLength: 0, position: 32, attributes }))).toContain('attributes')
    }
  })
})

describe('vouchesForAllBefore', () => {
  it.each([
    ['a SEAL', { type: FrameType.SEAL }, true],
    ['the second MARK of a pair', { type: FrameType.MARK, position: 4096, durablePosition: 96 }, true],
    ['the first MARK of a pair', { type: FrameType.MARK, position: 96, durablePosition: 96 }, false],
    ['RECORDS', { type: FrameType.RECORDS, position: 96, durablePosition: 32 }, false],
    ['OPEN', { type: FrameType.OPEN, position: 32, durablePosition: 0 }, false],
  ])('%s: whether the frame vouches for everything before it', (_, fields, expected) => {
    expect(vouchesForAllBefore(header(fields))).toBe(expected)
  })
})
