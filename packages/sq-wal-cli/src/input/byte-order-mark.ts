/** Removes the byte order mark that some programs write at the start of a text. */
import { CommandError } from '../command-error.ts'

const UTF_8 = Buffer.from('\uFEFF')
const UTF_16 = [Buffer.from([0xff, 0xfe]), Buffer.from([0xfe, 0xff])]
const MARKS = [UTF_8, ...UTF_16]

/**
 * The chunks of a text without a UTF-8 byte order mark at the start. Throws a `CommandError` if the text starts with a
 * UTF-16 or UTF-32 mark. Bytes are held back only while they can be the start of a mark.
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
    throw new CommandError(
      'expected UTF-8, found a UTF-16 or UTF-32 byte order mark; convert the input, for example with iconv',
    )
  }
  return start.subarray(0, UTF_8.length).equals(UTF_8) ? start.subarray(UTF_8.length) : start
}
