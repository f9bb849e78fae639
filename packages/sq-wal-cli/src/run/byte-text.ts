/** Bytes as text, as JSON and as a hex dump, in pieces: a value can be longer than a string can be. */
import { isUtf8 } from 'node:buffer'
import { StringDecoder } from 'node:string_decoder'
import { colors, rendered } from '../output.ts'

/** The bytes of one piece: a multiple of the 3 bytes of a base64 group and of the 16 bytes of a dumped line. */
export const PIECE_BYTES: number = 48 * 1024

/** Bytes as UTF-8. No piece ends inside a character. */
export function textPieces(bytes: Uint8Array): Iterable<string> {
  return bytes.length <= PIECE_BYTES ? [bufferOf(bytes).toString('utf8')] : decoded(bytes)
}

function* decoded(bytes: Uint8Array): Generator<string> {
  const decoder = new StringDecoder('utf8')
  for (const piece of cut(bytes)) yield decoder.write(piece)
  yield decoder.end()
}

/** Bytes as UTF-8 with backslashes and control characters escaped as in JSON, so that the output is unambiguous. */
export function escapedPieces(bytes: Uint8Array): Iterable<string> {
  return bytes.length <= PIECE_BYTES ? [escaped(bufferOf(bytes).toString('utf8'))] : escapedEach(decoded(bytes))
}

function* escapedEach(pieces: Iterable<string>): Generator<string> {
  for (const piece of pieces) yield escaped(piece)
}

/** A text with backslashes and control characters escaped as in JSON. */
export function escaped(text: string): string {
  return JSON.stringify(text)
    .slice(1, -1)
    .replaceAll(String.raw`\"`, '"')
}

/** A JSON string, or for bytes that are not UTF-8 an object with their base64. */
export function* jsonPieces(bytes: Uint8Array): Generator<string> {
  if (isUtf8(bytes)) {
    yield '"'
    for (const piece of textPieces(bytes)) yield JSON.stringify(piece).slice(1, -1)
    yield '"'
  } else {
    yield '{"base64":"'
    for (const piece of cut(bytes)) yield piece.toString('base64')
    yield '"}'
  }
}

/** Hexadecimal digits. */
export function* hexPieces(bytes: Uint8Array): Generator<string> {
  for (const piece of cut(bytes)) yield piece.toString('hex')
}

/** A hex dump as by `hexdump -C`, rendered: sixteen bytes per line, with positions counted from `from`. */
export function* hexDump(bytes: Uint8Array, from: number): Generator<string> {
  let start = from
  for (const piece of cut(bytes)) {
    const lines: string[] = []
    for (let at = 0; at < piece.length; at += 16) {
      const row = piece.subarray(at, at + 16)
      const hex = row.toString('hex').replaceAll(/../g, '$& ')
      const halves = hex.length > 24 ? `${hex.slice(0, 24)} ${hex.slice(24)}` : hex
      const letters = row.toString('latin1').replaceAll(/[^ -~]/g, '.')
      const position = colors.dim((start + at).toString(16).padStart(8, '0'))
      lines.push(`${rendered(['  ', position, `  ${halves.padEnd(50)}|${letters}|`])}\n`)
    }
    yield lines.join('')
    start += piece.length
  }
}

/** The bytes in pieces of at most `PIECE_BYTES`, which share their memory. */
export function* cut(bytes: Uint8Array): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bufferOf(bytes.subarray(at, at + PIECE_BYTES))
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}
