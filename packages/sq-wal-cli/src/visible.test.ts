import { expect, test } from 'vitest'
import { messageOf } from './message-of.ts'
import { visible } from './visible.ts'

test.each([
  ['plain text, ä, 漢字, 👩‍👩‍👧', 'plain text, ä, 漢字, 👩‍👩‍👧'],
  ['a\nb\r\tc', String.raw`a\nb\r\tc`],
  ['\u0000\u0007\u001B[31m\u007F', String.raw`\u0000\u0007\u001b[31m\u007f`],
  ['\u009B31m\u009D0;title\u009C\u0085', String.raw`\u009b31m\u009d0;title\u009c\u0085`],
  ['\u2028\u2029', String.raw`\u2028\u2029`],
  ['\u202A\u202B\u202C\u202D\u202E', String.raw`\u202a\u202b\u202c\u202d\u202e`],
  ['\u2066\u2067\u2068\u2069\u200E\u200F\u061C', String.raw`\u2066\u2067\u2068\u2069\u200e\u200f\u061c`],
  ['\uD800, \uDFFF, \uD83D\uDE00', String.raw`\ud800, \udfff, ${'\uD83D\uDE00'}`],
  [String.raw`C:\new`, String.raw`C:\new`],
])('%j is shown as %j', (text, shown) => {
  expect(visible(text)).toBe(shown)
})

test('an escaped JSON text has the same value', () => {
  const all = Array.from({ length: 0x3000 }, (_, code) => String.fromCharCode(code)).join('')
  const value = { [all]: [all, '\uDC00'] }
  const shown = visible(JSON.stringify(value))
  expect(JSON.parse(shown)).toEqual(value)
  expect(shown).not.toMatch(/[\p{Cc}\p{Bidi_Control}\p{Cs}]/u)
})

test('a message of several lines becomes one', () => {
  const message = "Cannot find module 'x'\nRequire stack:\n- /a.js\r\n- /b.js\n"
  expect(messageOf(new Error(message))).toBe("Cannot find module 'x' Require stack: - /a.js - /b.js")
})
