/** The other end of `server.js`, as far as it is more than a call of `fetch`. */

/**
 * The records of an answer, as they come. A line that is not whole is none: the connection broke there. Holds on to the
 * response, since the body of one that is collected as garbage ends as if it were over.
 *
 * @param {Response} response
 * @returns {AsyncGenerator<{ offset: number, timestampMs: number, value: unknown }, undefined>}
 */
export async function* linesOf(response) {
  if (response.status !== 200 || response.body === null) throw new Error(`status ${response.status}: no records`)
  let rest = ''
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) yield JSON.parse(line)
  }
}
