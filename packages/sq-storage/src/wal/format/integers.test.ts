import { Random } from '@sq/sim'
import { expect, it } from 'vitest'
import { readUint64, setUint64, writeUint64 } from './integers.ts'

it.each([
  [0, '0000000000000000'],
  [1, '0100000000000000'],
  [2 ** 31, '0000008000000000'],
  [2 ** 32 - 1, 'ffffffff00000000'],
  [2 ** 32, '0000000001000000'],
  [2 ** 32 + 1, '0100000001000000'],
  [0x0012_3456_789a_bcde, 'debc9a7856341200'],
  [2 ** 53 - 1, 'ffffffffffff1f00'],
])('writes %d as the little-endian bytes %s, and reads it back', (value, hex) => {
  const target = Buffer.alloc(10, 0xaa)
  writeUint64(target, value, 1)
  expect(target.toString('hex')).toBe(`aa${hex}aa`)
  expect(readUint64(target, 1)).toBe(value)

  const viewed = Buffer.alloc(10, 0xaa)
  setUint64(new DataView(viewed.buffer, viewed.byteOffset, viewed.length), value, 1)
  expect(viewed.toString('hex')).toBe(`aa${hex}aa`)
})

it('agrees with BigInt accesses on any value', () => {
  const random = new Random(1)
  const bytes = Buffer.alloc(8)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  for (let i = 0; i < 2000; i++) {
    const value = Number(random.bigUint64() >> BigInt(11 + random.int(53)))
    writeUint64(bytes, value, 0)
    expect(bytes.readBigUInt64LE()).toBe(BigInt(value))
    expect(readUint64(bytes, 0)).toBe(value)
    bytes.fill(0xaa)
    setUint64(view, value, 0)
    expect(bytes.readBigUInt64LE()).toBe(BigInt(value))
  }
})

it.each([2n ** 53n, 2n ** 53n + 1n, 2n ** 64n - 1n])('reads %d, which no number holds, as an unsafe one', (value) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(value)
  expect(Number.isSafeInteger(readUint64(bytes, 0))).toBe(false)
})
