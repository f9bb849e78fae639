/** The other end of `server.js`, as far as it is more than a call of `fetch`. */

/**
 * The records of an answer, as they come. A line that is not whole is none: the connection broke there.
 *
 * @param {ReadableStream<Uint8Array>} body
 * @returns {AsyncGenerator<{ offset: number, timestampMs: number, value: any }, undefined>}
 */
export async function* linesOf(body) {
  let rest = ''
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) yield JSON.parse(line)
  }
}
