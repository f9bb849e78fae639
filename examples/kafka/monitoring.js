/** What an operator asks the broker over HTTP: `/metrics`, for Prometheus, and `/health`. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { exponentialBuckets, Gauge, Histogram, Registry } from 'prom-client'
import { onEvent } from '../metrics/log-metrics.js'
import { exportToPrometheus } from '../metrics/prometheus.js'

/** @typedef {import('./broker.js').Broker} Broker */
/** @typedef {import('./server.js').Server} Server */
/** @typedef {import('./protocol/calls.js').Handlers} Handlers */

const MAX_CONNECTIONS = 100
/** 0.5 ms to 4 s. */
const BUCKETS = exponentialBuckets(0.0005, 2, 14)

export class Monitoring {
  #registry = new Registry()
  #requests = new Histogram({
    name: 'sq_kafka_request_seconds',
    help: 'Requests, from their turn until their answer; some wait for data or for other members',
    labelNames: ['call'],
    buckets: BUCKETS,
    registers: [this.#registry],
  })
  #http = createServer((request, response) => void this.#serve(request, response))
  /** @type {Broker | null} */
  #broker = null
  /** Why the broker does not serve clients; null if it does. @type {string | null} */
  #reason = 'the broker starts'
  /** The logs whose last commit failed, by directory, with the reason. @type {Map<string, string>} */
  #failing = new Map()

  /**
   * Watches all logs of the process; there can be one. Open the broker on its `fs`, so that the time of each durable
   * write is measured.
   *
   * @param {import('@sq/sim').FileSystem} fs
   * @param {import('@sq/storage').SharedLimits} limits of the broker
   */
  constructor(fs, limits) {
    const logs = () => this.#broker?.logs() ?? []
    const writers = { [Symbol.iterator]: () => logs()[Symbol.iterator]() }
    this.fs = exportToPrometheus(this.#registry, { fs, limits, writers })
    this.#http.maxConnections = MAX_CONNECTIONS
    onEvent('sq:wal:commit', ({ topic, partition, directory, error }) => {
      if (error === null) this.#failing.delete(directory)
      else this.#failing.set(directory, `the last write to ${topic}/${partition} failed: ${error.message}`)
    })
  }

  /**
   * Listens, and resolves with the port. Until `serves` is called, the broker is not healthy.
   *
   * @param {{ host: string, port: number }} where port 0 takes any that is free
   */
  async listen({ host, port }) {
    await once(this.#http.listen(port, host), 'listening')
    const address = this.#http.address()
    if (address === null || typeof address === 'string') throw new Error('the monitoring is not listening')
    return address.port
  }

  /**
   * The same handlers, whose time is measured.
   *
   * @param {Handlers} handlers
   * @returns {Handlers}
   */
  timed(handlers) {
    const timed = Object.entries(handlers).map(([call, handler]) => {
      /** @type {(request: never, context: import('./protocol/calls.js').Context) => Promise<unknown>} */
      const measured = async (request, context) => {
        const end = this.#requests.startTimer({ call })
        try {
          return await handler(request, context)
        } finally {
          end()
        }
      }
      return [call, measured]
    })
    return Object.fromEntries(timed)
  }

  /**
   * Call it when clients can connect.
   *
   * @param {Broker} broker
   * @param {Pick<Server, 'stats'>} server
   */
  serves(broker, server) {
    this.#broker = broker
    this.#reason = null
    this.#gauge('connections', 'Connections of clients', () => server.stats().connections)
    this.#gauge('request_memory_bytes', 'Requests that are not answered yet', () => server.stats().requestBytes)
    this.#gauge('answer_memory_bytes', 'Answers that are made or sent', () => server.stats().answerBytes)
    if (broker.archiveStats() !== null) {
      this.#gauge('unarchived_bytes', 'Ended segments not archived yet', () => broker.archiveStats()?.pendingBytes ?? 0)
      this.#gauge('archive_retries', 'Attempts to archive that failed', () => broker.archiveStats()?.retries ?? 0)
    }
    const labelNames = ['group', 'topic', 'partition']
    const committed = { name: 'sq_kafka_committed_offset', help: 'Committed by a group', labelNames, registers: [] }
    const collect = /** @this {Gauge} */ function () {
      this.reset()
      for (const { offset, ...labels } of broker.committedOffsets()) this.set(labels, Number(offset))
    }
    this.#registry.registerMetric(new Gauge({ ...committed, collect }))
  }

  /** Call it before the broker is closed. */
  stops() {
    this.#reason = 'the broker stops'
  }

  async close() {
    const closed = once(this.#http.close(), 'close')
    this.#http.closeAllConnections()
    await closed
  }

  /**
   * The answer to a request.
   *
   * @param {string | undefined} path
   */
  async answer(path) {
    if (path === '/metrics')
      return { status: 200, type: this.#registry.contentType, body: await this.#registry.metrics() }
    if (path !== '/health') return { status: 404, type: 'text/plain', body: 'there are /metrics and /health\n' }
    const [reason = 'ok'] = this.#reason === null ? this.#failing.values() : [this.#reason]
    return { status: reason === 'ok' ? 200 : 503, type: 'text/plain', body: `${reason}\n` }
  }

  /**
   * @param {import('node:http').IncomingMessage} request
   * @param {import('node:http').ServerResponse} response
   */
  async #serve({ url }, response) {
    const { status, type, body } = await this.answer(url).catch((error) => {
      return { status: 500, type: 'text/plain', body: `${error.message}\n` }
    })
    response.writeHead(status, { 'content-type': type }).end(body)
  }

  /**
   * @param {string} name
   * @param {string} help
   * @param {() => number} value
   */
  #gauge(name, help, value) {
    const collect = /** @this {Gauge} */ function () {
      this.set(value())
    }
    this.#registry.registerMetric(new Gauge({ name: `sq_kafka_${name}`, help, registers: [], collect }))
  }
}
