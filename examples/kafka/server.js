/** Listens for clients. What the calls do is in the handlers. */
import { once } from 'node:events'
import { createServer } from 'node:net'
import { SystemClock } from '@sq/sim'
import { AnswerMemory } from './answer-memory.js'
import { Connection } from './connection.js'
import { RequestMemory } from './request-memory.js'

/** @typedef {import('./protocol/calls.js').Handlers} Handlers */

/**
 * @typedef {object} ServerOptions
 * @property {number} [maxConnections] further ones are closed at once; default 1000
 * @property {number} [maxRequestBytes] default 16 MiB
 * @property {number} [maxRequestMemoryBytes] of the requests of all connections; default 256 MiB
 * @property {number} [maxAnswerMemoryBytes] of the answers of all connections; default 256 MiB
 * @property {number} [maxReceiveMs] what a client may take to send a request; default 30 s
 * @property {number} [maxSendMs] what a client may take to receive 1 MiB of its answers; default 30 s
 * @property {import('@sq/sim').Clock} [clock]
 * @property {(error: unknown, clientHost: string) => void} [onError] called when a connection was closed for an error
 */

const MIB = 1024 * 1024

export class Server {
  #server
  #requestMemory
  #answerMemory
  /** The connections, each with what resolves when it is closed. @type {Map<Connection, Promise<void>>} */
  #connections = new Map()

  /**
   * @param {Handlers} handlers
   * @param {ServerOptions} [options]
   */
  constructor(handlers, options = {}) {
    const { clock = new SystemClock(), maxRequestBytes = 16 * MIB, maxConnections = 1000 } = options
    const { maxReceiveMs = 30_000, maxSendMs = 30_000, onError = () => {} } = options
    this.#requestMemory = new RequestMemory(options.maxRequestMemoryBytes ?? 256 * MIB)
    this.#answerMemory = new AnswerMemory(options.maxAnswerMemoryBytes ?? 256 * MIB)
    const memory = { requestMemory: this.#requestMemory, answerMemory: this.#answerMemory }
    const shared = { handlers, clock, maxRequestBytes, maxReceiveMs, maxSendMs, ...memory }
    this.#server = createServer({ noDelay: true }, (socket) => {
      const clientHost = socket.remoteAddress ?? ''
      const connection = new Connection(socket, { ...shared, clientHost })
      const served = connection.serve().catch((error) => onError(error, clientHost))
      this.#connections.set(
        connection,
        served.finally(() => this.#connections.delete(connection)),
      )
    })
    this.#server.maxConnections = maxConnections
  }

  /** Counters for a report. */
  stats() {
    const { bytes: requestBytes } = this.#requestMemory
    return { connections: this.#connections.size, requestBytes, answerBytes: this.#answerMemory.bytes }
  }

  /**
   * Listens, and resolves with the port.
   *
   * @param {{ host: string, port: number }} where port 0 takes any that is free
   */
  async listen({ host, port }) {
    await once(this.#server.listen(port, host), 'listening')
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the server is not listening')
    return address.port
  }

  /**
   * Answers the requests that have come, and closes all connections. One whose client does not take its answers within
   * the time given is closed without them.
   *
   * @param {{ withinMs: number }} time
   */
  async close({ withinMs }) {
    const closed = once(this.#server.close(), 'close')
    const connections = [...this.#connections.keys()]
    for (const connection of connections) connection.stop()
    const timer = setTimeout(() => connections.forEach((connection) => connection.close()), withinMs)
    await Promise.all(this.#connections.values())
    clearTimeout(timer)
    await closed
  }
}
