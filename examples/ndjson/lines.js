/**
 * The lines of a stream, as bytes. Not Node's `readline`: that one decodes what is only passed on here, drops carriage
 * returns and, since Node 24, also breaks lines at U+2028, which JSON allows inside a string.
 */

const LINE_FEED = 0x0a

/**
 * Each line without its line feed. The last one need not have any.
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
