/**
 * One connection: requests come, each as its length and its bytes, and are answered in their order. A request is handled
 * when all before it are answered, except that Produce requests in a row are handled at the same time, because their
 * appends then share a write.
 */
import { once } from 'node:events'
import { ProtocolError } from './protocol/bytes.js'
import { callOf, decodeHead, decodeRequest, encodeResponse, encodeUnsupported } from './protocol/calls.js'

/** @typedef {import('node:stream').Duplex} Duplex */
/** @typedef {import('./protocol/calls.js').CallName} CallName */
/** @typedef {import('./protocol/calls.js').Head} Head */
/** @typedef {import('./answer-memory.js').Reservation} Reservation */

/** The most requests of a connection that are handled or wait for it. */
const MAX_REQUESTS_AHEAD = 16
const LENGTH_BYTES = 4
/** A key, a version and a correlation id. */
const MIN_REQUEST_BYTES = 8
/** What a client must take within the time limit. */
const SENT_AT_ONCE_BYTES = 1024 * 1024
/** Calls whose answers list what the broker has, however short the request is. @type {ReadonlySet<CallName>} */
const LISTINGS = new Set(['Metadata', 'OffsetFetch', 'DescribeGroups', 'ListGroups', 'DescribeConfigs'])
/** Reserved for such an answer until it is made: all committed offsets may take as much. */
const LISTING_BYTES = 64 * 1024 * 1024

/**
 * @typedef {object} ConnectionOptions
 * @property {import('./protocol/calls.js').Handlers} handlers
 * @property {string} clientHost the address of the client
 * @property {number} maxRequestBytes a connection that announces a longer request is closed
 * @property {number} maxReceiveMs a connection that takes longer to send a request is closed
 * @property {number} maxSendMs a connection whose client takes longer for the next 1 MiB of its answers is closed
 * @property {import('./request-memory.js').RequestMemory} requestMemory of all connections
 * @property {import('./answer-memory.js').AnswerMemory} answerMemory of all connections
 * @property {import('@sq/sim').Clock} clock
 */

export class Connection {
  #stream
  #options
  /** Aborted when the stream is closed. */
  #closed = new AbortController()
  /** Aborted when the stream is closed or the broker stops: what handlers wait for is not worth it then. */
  #ended = new AbortController()
  #isStopping = false
  /** Set while a request has begun to come. @type {(() => void) | null} */
  #cancelTimer = null
  /** Requests that are not answered yet. */
  #ahead = 0
  #answeredOne = () => {}
  /** Resolves when every request so far is answered. @type {Promise<void>} */
  #answered = Promise.resolve()
  /** Resolves when every request so far that is no Produce is answered. @type {Promise<void>} */
  #barrier = Promise.resolve()

  /**
   * @param {Duplex} stream
   * @param {ConnectionOptions} options
   */
  constructor(stream, options) {
    this.#stream = stream
    this.#options = options
    stream.once('close', () => {
      this.#closed.abort()
      this.#ended.abort()
      this.#answeredOne()
    })
    // An error closes the stream, which is all that has to happen.
    stream.on('error', () => {})
  }

  /**
   * Serves the client until either side closes. Rejects if the connection was closed for another reason: with a
   * `ProtocolError` if the client does not speak the protocol, or with what a handler rejected with.
   */
  async serve() {
    try {
      for await (const bytes of this.#requests()) {
        if (this.#isStopping) break
        this.#accept(bytes)
        if (this.#ahead >= MAX_REQUESTS_AHEAD) await new Promise((done) => (this.#answeredOne = () => done(undefined)))
      }
      // A client that closes its side does not wait for answers.
      if (!this.#isStopping) this.#ended.abort()
      await this.#answered
    } catch (error) {
      if (error !== this.#ended.signal.reason && error !== this.#closed.signal.reason) throw error
    } finally {
      this.#stream.destroy()
    }
  }

  /** Takes no more requests, and closes the connection when those so far are answered. */
  stop() {
    this.#isStopping = true
    this.#ended.abort()
    const close = () => this.#stream.destroy()
    this.#answered.then(close, close)
  }

  /** Closes the connection at once. */
  close() {
    this.#stream.destroy()
  }

  /** @param {Buffer} bytes a request */
  #accept(bytes) {
    const head = decodeHead(bytes)
    const name = callOf(head)
    const reservation = this.#options.answerMemory.reservation()
    const before = name === 'Produce' ? this.#barrier : this.#answered
    const handled = before.then(() => this.#handle(name, head, reservation))
    // It may fail before the answers in front of it are sent.
    handled.catch(() => {})
    this.#ahead++
    this.#answered = this.#answer(this.#answered, handled, bytes.length).finally(() => {
      // If the connection has failed, the answer may still be made.
      void Promise.allSettled([handled]).then(() => reservation.set(0))
    })
    this.#answered.catch(() => this.#stream.destroy())
    if (name !== 'Produce') this.#barrier = this.#answered
  }

  /**
   * @param {CallName | null} name
   * @param {Head} head
   * @param {Reservation} reservation
   */
  async #handle(name, head, reservation) {
    const sink = name === null ? encodeUnsupported(head) : await this.#respond(name, head, reservation)
    reservation.set(sink?.length ?? 0)
    return sink
  }

  /**
   * @template {CallName} N
   * @param {N} name
   * @param {Head} head
   * @param {Reservation} reservation
   */
  async #respond(name, head, reservation) {
    const { clientId, request } = decodeRequest(name, head)
    const { clientHost, handlers } = this.#options
    const { signal } = this.#ended
    if (LISTINGS.has(name)) await reservation.reserve({ leastBytes: LISTING_BYTES, mostBytes: LISTING_BYTES }, signal)
    const context = { version: head.version, clientId, clientHost, signal, reservation }
    const response = await handlers[name](request, context)
    return response === null ? null : encodeResponse(name, head, response)
  }

  /**
   * @param {Promise<void>} before the answers in front of it
   * @param {Promise<import('./protocol/bytes.js').Sink | null>} handled
   * @param {number} requestBytes
   */
  async #answer(before, handled, requestBytes) {
    try {
      await before
      const sink = await handled
      if (sink !== null) await this.#send(sink)
    } finally {
      this.#options.requestMemory.give(LENGTH_BYTES + requestBytes)
      this.#ahead--
      this.#answeredOne()
    }
  }

  /** @param {import('./protocol/bytes.js').Sink} sink */
  async #send(sink) {
    const length = Buffer.alloc(LENGTH_BYTES)
    length.writeInt32BE(sink.length)
    for (const parts of inPieces([length, ...sink.parts()], SENT_AT_ONCE_BYTES)) {
      if (this.#stream.destroyed) return
      this.#stream.cork()
      for (const part of parts) this.#stream.write(part)
      this.#stream.uncork()
      if (this.#stream.writableNeedDrain) await this.#drain()
    }
  }

  /** Waits until the client has taken what was sent, but not for ever. */
  async #drain() {
    const { clock, maxSendMs } = this.#options
    const cancel = clock.setTimer(maxSendMs, () => this.#stream.destroy())
    // If that does not happen, the stream is closed.
    await once(this.#stream, 'drain', { signal: this.#closed.signal }).catch(() => {})
    cancel()
  }

  /**
   * The requests in the stream, as they come. What was received counts as memory until it is answered.
   *
   * @returns {AsyncGenerator<Buffer, void, undefined>}
   */
  async *#requests() {
    /** @type {Buffer[]} */
    let chunks = []
    let bytes = 0
    let wanted = LENGTH_BYTES
    try {
      for await (const chunk of this.#chunks()) {
        this.#options.requestMemory.take(chunk.length)
        chunks.push(chunk)
        bytes += chunk.length
        if (bytes >= wanted) {
          let rest = Buffer.concat(chunks)
          while (rest.length >= (wanted = this.#frameBytes(rest))) {
            const request = rest.subarray(LENGTH_BYTES, wanted)
            rest = rest.subarray(wanted)
            bytes = rest.length
            this.#stopTimer()
            yield request
          }
          chunks = [rest]
        }
        if (bytes > 0) this.#startTimer()
        await this.#options.requestMemory.room(this.#ended.signal)
      }
    } finally {
      this.#stopTimer()
      this.#options.requestMemory.give(bytes)
    }
  }

  /** What comes, until the stream is closed in whatever way. */
  async *#chunks() {
    /** @type {AsyncIterator<Buffer>} */
    const chunks = this.#stream.iterator({ destroyOnReturn: false })
    for (;;) {
      const next = await chunks.next().catch(() => null)
      if (next === null || next.done) return
      yield next.value
    }
  }

  /**
   * The length of the frame at the beginning of some bytes, as far as they tell.
   *
   * @param {Buffer} bytes
   */
  #frameBytes(bytes) {
    if (bytes.length < LENGTH_BYTES) return LENGTH_BYTES
    const length = bytes.readInt32BE(0)
    const { maxRequestBytes } = this.#options
    if (length >= MIN_REQUEST_BYTES && length <= maxRequestBytes) return LENGTH_BYTES + length
    throw new ProtocolError(`a request must have ${MIN_REQUEST_BYTES} to ${maxRequestBytes} bytes, not ${length}`)
  }

  /** Gives the client some time for the rest of a request. */
  #startTimer() {
    const { clock, maxReceiveMs } = this.#options
    this.#cancelTimer ??= clock.setTimer(maxReceiveMs, () => this.#stream.destroy())
  }

  #stopTimer() {
    this.#cancelTimer?.()
    this.#cancelTimer = null
  }
}

/**
 * The same bytes in groups of parts, each of at most so many bytes.
 *
 * @param {readonly Uint8Array[]} parts
 * @param {number} maxBytes
 * @returns {Generator<Uint8Array[], void, undefined>}
 */
function* inPieces(parts, maxBytes) {
  /** @type {Uint8Array[]} */
  let piece = []
  let left = maxBytes
  for (const part of parts) {
    for (let at = 0; at < part.length;) {
      const bytes = part.subarray(at, at + left)
      piece.push(bytes)
      at += bytes.length
      left -= bytes.length
      if (left > 0) continue
      yield piece
      piece = []
      left = maxBytes
    }
  }
  if (piece.length > 0) yield piece
}
