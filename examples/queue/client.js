/** The part of a client of `server.js` that is more than a call of `fetch`. */

/**
 * Yields the records of a response as they arrive. An incomplete last line is dropped: the connection broke there.
 * Keeps a reference to the response, because the body of a garbage-collected response ends as if it were complete.
 *
 * @param {Response} response
 * @returns {AsyncGenerator<{ offset: number, timestampMs: number, value: unknown }, undefined>}
 */
export async function* linesOf(response) {
  if (response.status !== 200 || response.body === null)
    throw new Error(`expected status 200 with records, found status ${response.status}`)
  let rest = ''
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) yield JSON.parse(line)
  }
}
