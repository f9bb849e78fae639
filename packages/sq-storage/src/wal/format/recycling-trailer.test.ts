import { expect, test } from 'vitest'
import { crc, flipped, joined, u32 } from '../../testing/hand-bytes.ts'
import { encodeTrailer, isTrailer } from './recycling-trailer.ts'

test('a trailer is its magic, its position and their checksum', () => {
  const start = joined('SQSTALE\n', u32(4080))
  expect(encodeTrailer(4080)).toEqual(joined(start, u32(crc(start))))
  expect(isTrailer(encodeTrailer(4080), 4080)).toBe(true)
})

test('the specification shows it', () => {
  expect(encodeTrailer(4080).toString('hex')).toBe('53515354414c450af00f0000dc6e1e0a')
})

test('a trailer with a changed bit, cut, or at another position is none', () => {
  const trailer = encodeTrailer(4080)
  for (let bit = 0; bit < 128; bit++) expect(isTrailer(flipped(trailer, bit), 4080)).toBe(false)
  expect(isTrailer(trailer.subarray(0, 15), 4080)).toBe(false)
  expect(isTrailer(trailer, 4088)).toBe(false)
})
