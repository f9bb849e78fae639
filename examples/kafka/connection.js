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

/** The most requests of a connection that are handled or wait for it. */
const MAX_REQUESTS_AHEAD = 16
const LENGTH_BYTES = 4
/** A key, a version and a correlation id. */
const MIN_REQUEST_BYTES = 8

/**
 * @typedef {object} ConnectionOptions
 * @property {import('./protocol/calls.js').Handlers} handlers
 * @property {string} clientHost the address of the client
 * @property {number} maxRequestBytes a connection that announces a longer request is closed
 * @property {number} maxReceiveMs a connection that takes longer to send a request is closed
 * @property {import('./request-memory.js').RequestMemory} memory of the requests of all connections
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
    const handled = (name === 'Produce' ? this.#barrier : this.#answered).then(() => this.#handle(name, head))
    // It may fail before the answers in front of it are sent.
    handled.catch(() => {})
    this.#ahead++
    this.#answered = this.#answer(this.#answered, handled, bytes.length)
    this.#answered.catch(() => this.#stream.destroy())
    if (name !== 'Produce') this.#barrier = this.#answered
  }

  /**
   * @param {CallName | null} name
   * @param {Head} head
   */
  async #handle(name, head) {
    return name === null ? encodeUnsupported(head) : this.#respond(name, head)
  }

  /**
   * @template {CallName} N
   * @param {N} name
   * @param {Head} head
   */
  async #respond(name, head) {
    const { clientId, request } = decodeRequest(name, head)
    const { clientHost, handlers } = this.#options
    const context = { version: head.version, clientId, clientHost, signal: this.#ended.signal }
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
      this.#options.memory.give(LENGTH_BYTES + requestBytes)
      this.#ahead--
      this.#answeredOne()
    }
  }

  /** @param {import('./protocol/bytes.js').Sink} sink */
  async #send(sink) {
    if (this.#stream.destroyed) return
    const length = Buffer.alloc(LENGTH_BYTES)
    length.writeInt32BE(sink.length)
    this.#stream.cork()
    this.#stream.write(length)
    for (const part of sink.parts()) this.#stream.write(part)
    this.#stream.uncork()
    if (this.#stream.writableNeedDrain) await once(this.#stream, 'drain', { signal: this.#closed.signal })
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
        this.#options.memory.take(chunk.length)
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
        await this.#options.memory.room(this.#ended.signal)
      }
    } finally {
      this.#stopTimer()
      this.#options.memory.give(bytes)
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
