/**
 * The lines of a stream, as bytes. Node's `readline` is not used: it decodes the bytes, drops carriage returns and,
 * since Node 24, also breaks lines at U+2028, which JSON allows inside a string.
 */

const LINE_FEED = 0x0a

/**
 * Yields each line without its line feed. The last line does not need one.
 *
 * @param {AsyncIterable<Buffer>} chunks
 * @returns {AsyncGenerator<Buffer, void>}
 */
export async function* linesOf(chunks) {
  /** @type {Buffer[]} */
  let begun = []
  for await (const chunk of chunks) {
    let from = 0
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, from)) {
      yield Buffer.concat([...begun, chunk.subarray(from, end)])
      begun = []
      from = end + 1
    }
    if (from < chunk.length) begun.push(chunk.subarray(from))
  }
  if (begun.length > 0) yield Buffer.concat(begun)
}
