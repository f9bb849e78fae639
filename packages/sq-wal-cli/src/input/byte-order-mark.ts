/** Takes the byte order mark off a text, which some programs write before it. */
import { CommandError } from '../command-error.ts'

const UTF_8 = Buffer.from('\uFEFF')
const UTF_16 = [Buffer.from([0xff, 0xfe]), Buffer.from([0xfe, 0xff])]
const MARKS = [UTF_8, ...UTF_16]

/**
 * The chunks of a text without the mark of UTF-8 at its beginning. Throws a `CommandError` where the text begins with a
 * mark of UTF-16 or UTF-32. Only what may become a mark waits for the bytes behind it.
 */
export async function* withoutByteOrderMark(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let start: Buffer | null = Buffer.alloc(0)
  for await (const chunk of chunks) {
    if (start === null) {
      yield chunk
      continue
    }
    start = Buffer.concat([start, chunk])
    if (mayBecomeMark(start)) continue
    yield textOf(start)
    start = null
  }
  if (start !== null && start.length > 0) yield textOf(start)
}

function mayBecomeMark(start: Buffer): boolean {
  return MARKS.some((mark) => start.length < mark.length && mark.subarray(0, start.length).equals(start))
}

function textOf(start: Buffer): Buffer {
  if (UTF_16.some((mark) => start.subarray(0, mark.length).equals(mark))) {
    throw new CommandError('it begins with a byte order mark of UTF-16 or UTF-32: convert it to UTF-8, as with iconv')
  }
  return start.subarray(0, UTF_8.length).equals(UTF_8) ? start.subarray(UTF_8.length) : start
}
