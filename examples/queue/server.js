/**
 * A durable queue over HTTP: Node's HTTP server on top of one log. Values are lines of JSON. `positions.js` stores the
 * positions of the consumers.
 *
 *     POST /records                    appends the lines of the body, all or none; responds once they are durable
 *     GET  /records?from=0&limit=100   up to 100 records, one per line
 *     GET  /records?from=0&follow      the same without an end: each record as soon as it is durable
 *     GET  /positions/NAME             the position of a consumer
 *     PUT  /positions/NAME             sets the position; the body is an offset
 *     GET  /health                     the counters of the log's writer
 *
 * Run it with `node examples/queue/server.js DIRECTORY [PORT]`.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { ClosedError, NodeFileSystem, WalReader, WalWriter } from '@sq/storage'
import { checkJson, json, numberOf, Refusal, refuse, textOf } from './messages.js'
import { Positions } from './positions.js'

/** @typedef {import('node:http').IncomingMessage} Request */
/** @typedef {import('node:http').ServerResponse} Response */

const TOPIC = 'queue'
const MAX_ANSWER_BYTES = 4 * 1024 * 1024
const NDJSON = { 'Content-Type': 'application/x-ndjson' }
const decoder = new TextDecoder()

export class QueueServer {
  #writer
  #reader
  #positions
  #server = createServer((request, response) => void this.#serve(request, response))

  /**
   * @param {WalWriter} writer
   * @param {WalReader} reader
   * @param {Positions} positions
   */
  constructor(writer, reader, positions) {
    this.#writer = writer
    this.#reader = reader
    this.#positions = positions
  }

  /**
   * Opens the log and listens on the loopback interface. Port 0 takes any that is free.
   *
   * @param {import('@sq/sim').FileSystem} fs
   * @param {import('@sq/storage').WalConfig} config
   * @param {number} port
   */
  static async open(fs, config, port) {
    const writer = await WalWriter.open(fs, config, TOPIC, 0)
    const reader = await WalReader.open(fs, config, TOPIC, 0)
    const queue = new QueueServer(writer, reader, await Positions.open(fs, config))
    await once(queue.#server.listen(port, '127.0.0.1'), 'listening')
    return queue
  }

  get url() {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the server is not listening')
    return `http://127.0.0.1:${address.port}`
  }

  /** Ends the tailing requests, completes all other requests, and then closes the logs. */
  async close() {
    const closed = once(this.#server, 'close')
    this.#server.close()
    await this.#reader.close()
    await closed
    await this.#writer.close()
    await this.#positions.close()
  }

  /**
   * @param {Request} request
   * @param {Response} response
   */
  async #serve(request, response) {
    // While the server closes, a keep-alive connection would keep it open.
    response.once('close', () => {
      if (!this.#server.listening) this.#server.closeIdleConnections()
    })
    try {
      await this.#answer(request, response)
    } catch (error) {
      // After a response has started, only a broken connection tells the client that it is incomplete.
      if (response.headersSent || response.destroyed) response.destroy()
      else refuse(response, error)
    }
  }

  /**
   * @param {Request} request
   * @param {Response} response
   */
  async #answer(request, response) {
    const [path = '', query] = (request.url ?? '').split('?')
    const parameters = new URLSearchParams(query)
    const [, name = ''] = /^\/positions\/([\w.-]{1,100})$/.exec(path) ?? []
    const route = `${request.method} ${name === '' ? path : '/positions/NAME'}`
    if (route === 'POST /records') return json(response, 201, await this.#produce(request))
    if (route === 'GET /records' && parameters.has('follow')) return this.#follow(offsetIn(parameters), response)
    if (route === 'GET /records') {
      const maxRecords = numberOf(parameters.get('limit') ?? '1000', 1)
      const lines = await this.#fetch({ from: offsetIn(parameters), maxRecords, maxBytes: MAX_ANSWER_BYTES })
      return void response.writeHead(200, NDJSON).end(lines.join(''))
    }
    if (route === 'GET /positions/NAME') return json(response, 200, { offset: this.#positions.get(name) })
    if (route === 'PUT /positions/NAME') {
      const offset = numberOf(await textOf(request), 0)
      await this.#positions.commit(name, offset)
      return json(response, 200, { offset })
    }
    if (route === 'GET /health') {
      const { nextOffset, ...stats } = this.#writer.stats()
      return json(response, 200, { nextOffset: Number(nextOffset), recovery: this.#writer.recovery.kind, ...stats })
    }
    throw new Refusal(404, `there is no ${request.method} ${path}`)
  }

  /** @param {Request} request */
  async #produce(request) {
    const timestampMs = Date.now()
    const lines = (await textOf(request)).split('\n').filter((line) => line.trim() !== '')
    if (lines.length === 0) throw new Refusal(400, 'the body has no value')
    for (const line of lines) checkJson(line)
    const records = lines.map((line) => ({ key: null, value: Buffer.from(line), headers: [], timestampMs }))
    return { offset: Number(await this.#writer.appendBatch(records)), records: records.length }
  }

  /** @param {import('@sq/storage').ReadOptions} options */
  async #fetch(options) {
    const lines = []
    for await (const record of this.#reader.read(options)) lines.push(lineOf(record))
    return lines
  }

  /**
   * @param {bigint | undefined} from
   * @param {Response} response
   */
  async #follow(from, response) {
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    // Read the first record before the status is sent, so that a missing offset becomes an error response.
    await this.#fetch({ from, maxRecords: 1 })
    response.writeHead(200, NDJSON).flushHeaders()
    const reader = this.#reader
    await pipeline(async function* follow() {
      try {
        for await (const record of reader.read({ from, follow: true, signal: gone.signal })) yield lineOf(record)
      } catch (error) {
        if (!(error instanceof ClosedError)) throw error
      }
    }, response)
  }
}

/** @param {import('@sq/storage').LogRecord} record */
function lineOf({ offset, timestampMs, value }) {
  return `{"offset":${offset},"timestampMs":${timestampMs},"value":${decoder.decode(value)}}\n`
}

/** @param {URLSearchParams} parameters */
function offsetIn(parameters) {
  const from = parameters.get('from')
  return from === null ? undefined : BigInt(numberOf(from, 0))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [directory = 'queue-data', port = '0'] = process.argv.slice(2)
  const queue = await QueueServer.open(new NodeFileSystem(), { dataDir: directory }, Number(port))
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void queue.close())
  console.log(`listening on ${queue.url}`)
}
