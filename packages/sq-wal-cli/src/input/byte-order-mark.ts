/** Removes the byte order mark that some programs write at the start of a text. */
import { CommandError } from '../command-error.ts'
import { withFirstBytes } from './first-bytes.ts'

const UTF_8 = Buffer.from('\uFEFF')
const UTF_16 = [Buffer.from([0xff, 0xfe]), Buffer.from([0xfe, 0xff])]

/**
 * The chunks of a text without a UTF-8 byte order mark at the start. Throws a `CommandError` if the text starts with a
 * UTF-16 or UTF-32 mark. Bytes are held back only while they can be the start of a mark.
 */
export async function* withoutByteOrderMark(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const { mark, chunks } = await withFirstBytes(stream, [UTF_8, ...UTF_16])
  if (mark !== null && mark !== UTF_8) {
    throw new CommandError(
      'expected UTF-8, found a UTF-16 or UTF-32 byte order mark; convert the input, for example with iconv',
    )
  }
  let skipped = mark?.length ?? 0
  for await (const chunk of chunks) {
    yield chunk.subarray(skipped)
    skipped = 0
  }
}
