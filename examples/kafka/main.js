/**
 * The broker as a process: `node main.js [DIRECTORY] [options]`. It prints `listening on HOST:PORT` when clients can
 * connect, and ends in order at SIGINT and SIGTERM.
 */
import { parseArgs } from 'node:util'
import { NodeFileSystem, SharedLimits } from '@sq/storage'
import { Broker } from './broker.js'
import { openStore } from './log/archive.js'
import { Monitoring } from './monitoring.js'
import { ProtocolError } from './protocol/bytes.js'
import { Server } from './server.js'

/** How long a client may take for its last answers when the broker stops. */
const STOP_WITHIN_MS = 5000
/** Of batches that are not durable yet. */
const MAX_PENDING_BYTES = 64 * 1024 * 1024

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '9092' },
    http: { type: 'string' },
    'auto-create-topics': { type: 'boolean', default: false },
    partitions: { type: 'string', default: '1' },
    'retention-ms': { type: 'string' },
    'retention-bytes': { type: 'string' },
    archive: { type: 'string' },
    'archive-within-ms': { type: 'string', default: '60000' },
  },
})
const { host } = values
const limits = new SharedLimits({ maxPendingBytes: MAX_PENDING_BYTES })
const fs = new NodeFileSystem()
const monitoring = values.http === undefined ? null : new Monitoring(fs, limits)
if (monitoring !== null) {
  const port = await monitoring.listen({ host, port: numberIn('http') })
  console.log(`metrics on http://${host}:${port}/metrics`)
}
const broker = await Broker.open(monitoring?.fs ?? fs, {
  dataDir: positionals[0] ?? 'kafka-data',
  autoCreateTopics: values['auto-create-topics'],
  defaultPartitions: numberIn('partitions'),
  retentionMs: values['retention-ms'] === undefined ? null : numberIn('retention-ms'),
  retentionBytes: values['retention-bytes'] === undefined ? null : numberIn('retention-bytes'),
  archive: values.archive === undefined ? null : await openStore(fs, values.archive),
  archiveWithinMs: numberIn('archive-within-ms'),
  onArchiveStopped(error) {
    // What was acknowledged here is on this disk, as after any other end.
    console.error('the broker ends, because it is not archived any more:', error)
    process.exit(1)
  },
  limits,
})
const server = new Server(monitoring?.timed(broker.handlers) ?? broker.handlers, {
  // One that does not speak the protocol is not worth a line: anything may connect to a port.
  onError: (error, clientHost) => {
    if (!(error instanceof ProtocolError)) console.error(`closed a connection of ${clientHost}:`, error)
  },
})
const port = await server.listen({ host, port: numberIn('port') })
broker.address = { host, port }
monitoring?.serves(broker, server)
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void stop())
console.log(`listening on ${host}:${port}`)

async function stop() {
  monitoring?.stops()
  await server.close({ withinMs: STOP_WITHIN_MS })
  await broker.close()
  await monitoring?.close()
}

/**
 * The whole number that an option was given.
 *
 * @param {'http' | 'port' | 'partitions' | 'retention-ms' | 'retention-bytes' | 'archive-within-ms'} name
 */
function numberIn(name) {
  const value = values[name] ?? ''
  if (/^\d{1,15}$/.test(value)) return Number(value)
  throw new Error(`--${name} must be a whole number, not ${JSON.stringify(value)}`)
}
