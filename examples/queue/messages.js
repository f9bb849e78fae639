/** Parses the requests of `server.js` and writes its responses: text, numbers, JSON and errors. */
import { BacklogFullError, ClosedError, AppendFailedError, OffsetOutOfRangeError } from '@sq/storage'

/** @typedef {import('node:http').IncomingMessage} Request */
/** @typedef {import('node:http').ServerResponse} Response */

const MAX_BODY_BYTES = 1024 * 1024
const decoder = new TextDecoder('utf-8', { fatal: true })

/** An error response. */
export class Refusal extends Error {
  /**
   * @param {number} status
   * @param {string} message
   * @param {Record<string, number>} fields of the response in addition to the message
   */
  constructor(status, message, fields = {}) {
    super(message)
    this.status = status
    this.fields = fields
  }
}

/** @param {string} line */
export function checkJson(line) {
  try {
    JSON.parse(line)
  } catch {
    throw new Refusal(400, `expected a line of JSON, found ${line.slice(0, 80)}`)
  }
}

/**
 * Offsets are below 2^53, so a number can represent them.
 *
 * @param {string} text
 * @param {number} least
 */
export function numberOf(text, least) {
  const number = /^\d+$/.test(text.trim()) ? Number(text) : -1
  if (number >= least && Number.isSafeInteger(number)) return number
  throw new Refusal(400, `expected a whole number, ${least} or more; found ${text.slice(0, 80)}`)
}

/** @param {Request} request */
export async function textOf(request) {
  /** @type {Buffer[]} */
  const chunks = []
  let bytes = 0
  for await (const chunk of request) {
    bytes += chunk.length
    // A body that is too long is read to its end and dropped. Closing the connection would lose the response, too.
    if (bytes <= MAX_BODY_BYTES) chunks.push(chunk)
  }
  if (bytes > MAX_BODY_BYTES)
    throw new Refusal(413, `the body has ${bytes} bytes, the maximum is ${MAX_BODY_BYTES}`, {
      maxBytes: MAX_BODY_BYTES,
    })
  try {
    return decoder.decode(Buffer.concat(chunks))
  } catch {
    throw new Refusal(400, 'the body is not UTF-8')
  }
}

/**
 * @param {Response} response
 * @param {number} status
 * @param {unknown} body
 */
export function json(response, status, body) {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(`${JSON.stringify(body)}\n`)
}

/**
 * @param {Response} response
 * @param {unknown} error
 */
export function refuse(response, error) {
  const { status, message, fields } = refusalOf(error)
  if (status === 500) console.error(error)
  if (status === 503) response.setHeader('Retry-After', '1')
  json(response, status, { error: message, ...fields })
}

/**
 * @param {unknown} error
 * @returns {Refusal}
 */
function refusalOf(error) {
  if (error instanceof Refusal) return error
  if (error instanceof OffsetOutOfRangeError) {
    const { message, offset, firstOffset, nextOffset } = error
    const range = { firstOffset: Number(firstOffset), nextOffset: Number(nextOffset) }
    return new Refusal(offset < firstOffset ? 410 : 416, message, range)
  }
  // Nothing of the request was acknowledged, so the client can send it again.
  if (error instanceof BacklogFullError || error instanceof AppendFailedError || error instanceof ClosedError) {
    return new Refusal(503, error.message)
  }
  return new Refusal(500, 'the queue failed')
}
