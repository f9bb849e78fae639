/** Looks at the first bytes of a stream, which tell its encoding. */

/**
 * Reads as many bytes as it takes to tell whether a stream begins with one of the marks, and no more: a stream may stop
 * there for a long time. `chunks` are all of its bytes, including the first ones.
 */
export async function withFirstBytes(
  stream: AsyncIterable<Buffer>,
  marks: readonly Buffer[],
): Promise<{ readonly mark: Buffer | null; readonly chunks: AsyncGenerator<Buffer> }> {
  const iterator = stream[Symbol.asyncIterator]()
  let start: Buffer = Buffer.alloc(0)
  while (marks.some((mark) => start.length < mark.length && mark.subarray(0, start.length).equals(start))) {
    const next = await iterator.next()
    if (next.done === true) break
    start = Buffer.concat([start, next.value])
  }
  const mark = marks.find((each) => start.subarray(0, each.length).equals(each)) ?? null
  return { mark, chunks: joined(start, iterator) }
}

async function* joined(start: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  try {
    if (start.length > 0) yield start
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value
  } finally {
    await rest.return?.()
  }
}
