import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { withoutByteOrderMark } from './byte-order-mark.ts'

/** A text without its mark, read in chunks of a size. */
function read(bytes: Buffer, chunkBytes: number): Promise<Buffer> {
  const chunks = Array.from({ length: Math.ceil(bytes.length / chunkBytes) }, (_, at) => {
    return bytes.subarray(at * chunkBytes, (at + 1) * chunkBytes)
  })
  return buffer(withoutByteOrderMark(Readable.from(chunks)))
}

test.each([
  ['\uFEFFab', 'ab'],
  ['\uFEFF', ''],
  ['\uFEFF\uFEFFab', '\uFEFFab'],
  ['a\uFEFFb', 'a\uFEFFb'],
  ['ab', 'ab'],
  ['', ''],
])('%j becomes %j, whatever the chunks', async (text, expected) => {
  for (const chunkBytes of [1, 2, 3, 100]) expect((await read(Buffer.from(text), chunkBytes)).toString()).toBe(expected)
})

test.each([
  ['a', 1],
  ['\n', 1],
  ['\u00e9', 1],
  ['\uFEFFa', 3],
  ['\uFF21', 2],
  ['\uFEC0', 3],
])('after %j, no byte that cannot change the result is waited for', async (text, needed) => {
  let taken = 0
  async function* bytes(): AsyncGenerator<Buffer> {
    for (const byte of Buffer.from(`${text}bcdef`)) {
      taken++
      yield Buffer.from([byte])
    }
  }
  await withoutByteOrderMark(bytes()).next()
  expect(taken).toBe(needed)
})

test('a part of a mark is not a mark', async () => {
  for (const bytes of [[0xef], [0xef, 0xbb], [0xef, 0xbb, 0x41], [0xff], [0xff, 0x41, 0x42]]) {
    expect([...(await read(Buffer.from(bytes), 1))]).toEqual(bytes)
  }
})

test.each([
  ['little', [0xff, 0xfe]],
  ['big', [0xfe, 0xff, 0x00, 0x41]],
])('UTF-16 with the %s end first is refused', async (_, bytes) => {
  for (const chunkBytes of [1, 100]) {
    await expect(read(Buffer.from(bytes), chunkBytes)).rejects.toThrow(/^expected UTF-8, found a UTF-16 /)
  }
})
