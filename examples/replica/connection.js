/**
 * Messages over a `Duplex` of Node: a TCP socket, or in tests one end of `duplexPair()`. Nothing else of the example
 * knows how bytes get to the other side.
 */
import { once } from 'node:events'
import { encode, messagesOf, ProtocolError } from './wire.js'

/** @typedef {import('node:stream').Duplex} Duplex */
/** @typedef {import('./wire.js').Message} Message */

export class Connection {
  #stream
  #gone = new AbortController()

  /**
   * @param {Duplex} stream
   * @param {{ maxFrameBytes: number }} limits of what the other side may send
   */
  constructor(stream, { maxFrameBytes }) {
    this.#stream = stream
    stream.once('close', () => this.#gone.abort())
    // An error ends `messages`, which reports it.
    stream.on('error', () => {})
    this.messages = messagesOf(stream, maxFrameBytes)
  }

  /** Aborted when the connection is closed, by either side. */
  get closed() {
    return this.#gone.signal
  }

  /** Whether a message would have to wait for the other side to read. */
  get isFull() {
    return this.#stream.writableNeedDrain
  }

  /**
   * Sends a message. Resolves when there is room for the next one: a caller that waits for it holds no more than one
   * message and the buffer of the stream. Rejects with an `AbortError` if the connection is closed.
   *
   * @param {Message} message
   */
  async send(message) {
    this.closed.throwIfAborted()
    this.#stream.cork()
    for (const part of encode(message)) this.#stream.write(part)
    this.#stream.uncork()
    if (this.isFull) await once(this.#stream, 'drain', { signal: this.closed })
  }

  /** The next message. Rejects if there is none, because the other side has ended the connection. */
  async receive() {
    const { value: message } = await this.messages.next()
    if (message === undefined) throw new ProtocolError('the other side has ended the connection in the middle')
    return message
  }

  /**
   * Closes the connection at once. What the other side has not read yet may be lost.
   *
   * @param {unknown} [reason] the error that `messages` throws
   */
  close(reason) {
    this.#stream.destroy(reason instanceof Error ? reason : undefined)
  }
}
