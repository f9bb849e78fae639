import { describe, expect, test } from 'vitest'
import { visible } from '../visible.ts'
import { escapedPieces, hexDump, hexPieces, jsonPieces, PIECE_BYTES, textPieces } from './byte-text.ts'

/** Longer than some pieces, with characters of one to four bytes and escaped characters at their borders. */
const TEXT = `a${'ä漢👩\u0000\\"\u202E'.repeat(20_000)}`
const BYTES = Buffer.from(TEXT)
const NO_TEXT = Buffer.alloc(200_001, 0xe4)

describe.each([0, 1, 2, 3])('bytes shifted by %d', (shift) => {
  const text = 'x'.repeat(shift) + TEXT
  const bytes = Buffer.from(text)

  test('the pieces of a text join to the whole text', () => {
    expect([...textPieces(bytes)].join('') === text).toBe(true)
    expect([...escapedPieces(bytes)].join('') === JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"')).toBe(true)
  })

  test('the pieces of JSON join to the whole JSON', () => {
    expect(JSON.parse([...jsonPieces(bytes)].map(visible).join('')) === text).toBe(true)
    expect([...jsonPieces(NO_TEXT)].join('') === JSON.stringify({ base64: NO_TEXT.toString('base64') })).toBe(true)
  })
})

test('the length of a piece is bounded by its bytes', () => {
  const controls = Buffer.alloc(1_000_000, 1)
  for (const pieces of [
    escapedPieces(controls),
    jsonPieces(controls),
    jsonPieces(NO_TEXT),
    hexPieces(controls),
    hexDump(controls, 0),
  ]) {
    const lengths = [...pieces].map(({ length }) => length)
    expect(Math.max(...lengths)).toBeLessThanOrEqual(6 * PIECE_BYTES)
    expect(lengths.length).toBeGreaterThan(1)
  }
})

test('a hex dump counts its positions from its start', () => {
  const lines = [...hexDump(BYTES.subarray(0, PIECE_BYTES + 20), 0x100)].join('').split('\n')
  expect(lines[0]).toMatch(/^ {2}00000100 {2}61 c3 a4 .*\|a.*\|$/)
  expect(lines.at(-3)).toMatch(new RegExp(`^ {2}${(0x100 + PIECE_BYTES).toString(16).padStart(8, '0')} `))
  expect(lines.at(-2)).toMatch(/^ {2}0000c110 {2}(.. ){4} +\|....\|$/)
})

test('the pieces of hexadecimal digits join to the whole', () => {
  expect([...hexPieces(BYTES)].join('') === BYTES.toString('hex')).toBe(true)
  expect([...hexPieces(Buffer.alloc(0))].join('')).toBe('')
})
