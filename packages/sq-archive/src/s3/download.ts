/** Reads a range of an object into a buffer. */
import { Readable } from 'node:stream'
import type { GetObjectCommandOutput, S3 } from '@aws-sdk/client-s3'
import { checkAnswer } from './answer.ts'

/** Bytes that are not needed are read up to this number, and the connection is closed if there are more. */
const MAX_DRAINED_BYTES = 64 * 1024

/** Part of an object. */
export interface Range {
  readonly Bucket: string
  readonly Key: string
  readonly position: number
}

/**
 * Fills a buffer, which must not be empty, from a position on, and resolves with the number of bytes: fewer than its
 * length only at the end of the object. Rejects with the errors of the SDK, and if the body is not what the answer
 * states.
 */
export async function readRange(s3: S3, { Bucket, Key, position }: Range, buffer: Uint8Array): Promise<number> {
  const output = await s3.getObject({ Bucket, Key, Range: `bytes=${position}-${position + buffer.length - 1}` })
  const body = output.Body
  if (!(body instanceof Readable)) throw new TypeError('the client must be for Node')
  try {
    checkAnswer(output)
    const { start, total } = extentOf(output)
    if (start > position) throw new Error(`asked for bytes from ${position}, found those from ${start}`)
    const expected = Math.max(Math.min(buffer.length, total - position), 0)
    const filled = expected === 0 ? 0 : await fill(buffer.subarray(0, expected), body, position - start)
    if (filled < expected) throw new Error(`the answer ended after ${filled} bytes, expected ${expected}`)
    return filled
  } finally {
    body.destroy()
  }
}

/** Where the body begins in the object, and the size of the object. */
function extentOf({ ContentRange, ContentLength }: GetObjectCommandOutput): { start: number; total: number } {
  if (ContentRange === undefined) {
    // A store may ignore the range, and send everything.
    if (ContentLength === undefined) throw new Error('the answer does not state its length')
    return { start: 0, total: ContentLength }
  }
  const [, start, total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(ContentRange) ?? []
  if (start === undefined || total === undefined) throw new Error(`the answer has the range ${ContentRange}`)
  return { start: Number(start), total: Number(total) }
}

/** Fills the buffer from a body without its first bytes, and resolves with the number of bytes. */
async function fill(buffer: Uint8Array, body: Readable, skip: number): Promise<number> {
  let at = -skip
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    if (at + chunk.length > 0 && at < buffer.length) {
      const part = chunk.subarray(Math.max(-at, 0), buffer.length - at)
      buffer.set(part, Math.max(at, 0))
    }
    at += chunk.length
    // A connection whose answer was read to its end can be used again.
    if (at >= buffer.length + MAX_DRAINED_BYTES) break
  }
  return Math.min(Math.max(at, 0), buffer.length)
}
