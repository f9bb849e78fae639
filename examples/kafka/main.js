/**
 * The broker as a process: `node main.js [DIRECTORY] [options]`. It prints `listening on HOST:PORT` when clients can
 * connect, and ends in order at SIGINT and SIGTERM.
 */
import { parseArgs } from 'node:util'
import { NodeFileSystem } from '@sq/storage'
import { Broker } from './broker.js'
import { ProtocolError } from './protocol/bytes.js'
import { Server } from './server.js'

/** How long a client may take for its last answers when the broker stops. */
const STOP_WITHIN_MS = 5000

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '9092' },
    'auto-create-topics': { type: 'boolean', default: false },
    partitions: { type: 'string', default: '1' },
  },
})
const broker = await Broker.open(new NodeFileSystem(), {
  dataDir: positionals[0] ?? 'kafka-data',
  autoCreateTopics: values['auto-create-topics'],
  defaultPartitions: Number(values.partitions),
})
const server = new Server(broker.handlers, {
  // One that does not speak the protocol is not worth a line: anything may connect to a port.
  onError: (error, clientHost) => {
    if (!(error instanceof ProtocolError)) console.error(`closed a connection of ${clientHost}:`, error)
  },
})
const { host } = values
const port = await server.listen({ host, port: Number(values.port) })
broker.address = { host, port }
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void stop())
console.log(`listening on ${host}:${port}`)

async function stop() {
  await server.close({ withinMs: STOP_WITHIN_MS })
  await broker.close()
}
