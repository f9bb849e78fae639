/** Listens for clients. What the calls do is in the handlers. */
import { once } from 'node:events'
import { createServer } from 'node:net'
import { SystemClock } from '@sq/sim'
import { Connection } from './connection.js'
import { RequestMemory } from './request-memory.js'

/** @typedef {import('./protocol/calls.js').Handlers} Handlers */

/**
 * @typedef {object} ServerOptions
 * @property {number} [maxConnections] further ones are closed at once; default 1000
 * @property {number} [maxRequestBytes] default 16 MiB
 * @property {number} [maxRequestMemoryBytes] of the requests of all connections; default 256 MiB
 * @property {number} [maxReceiveMs] what a client may take to send a request; default 30 s
 * @property {import('@sq/sim').Clock} [clock]
 * @property {(error: unknown, clientHost: string) => void} [onError] called when a connection was closed for an error
 */

const MIB = 1024 * 1024

export class Server {
  #server
  #memory
  /** The connections, each with what resolves when it is closed. @type {Map<Connection, Promise<void>>} */
  #connections = new Map()

  /**
   * @param {Handlers} handlers
   * @param {ServerOptions} [options]
   */
  constructor(handlers, options = {}) {
    const { clock = new SystemClock(), maxRequestBytes = 16 * MIB, maxReceiveMs = 30_000 } = options
    const { maxConnections = 1000, maxRequestMemoryBytes = 256 * MIB, onError = () => {} } = options
    this.#memory = new RequestMemory(maxRequestMemoryBytes)
    const shared = { handlers, clock, maxRequestBytes, maxReceiveMs, memory: this.#memory }
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
    return { connections: this.#connections.size, requestBytes: this.#memory.bytes }
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
