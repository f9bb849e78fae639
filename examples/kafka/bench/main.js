/**
 * Measures the broker with clients in other processes: `node main.js [--records COUNT]`. The mock broker of librdkafka is
 * measured for comparison. It keeps nothing on disk, so it says what the clients can do at most.
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Kafka, logLevel, Partitioners } from 'kafkajs'
import { BrokerProcess } from '../broker-process.js'
import { kcatProgram, pythonProgram } from '../clients/debian.js'
import { lines, run, start } from '../clients/processes.js'

const RECORD_BYTES = 100
const LATENCIES = 500

const { records } = parseArgs({ options: { records: { type: 'string', default: '500000' } } }).values
const [kcat, python] = [await kcatProgram(), await pythonProgram()]

const directory = mkdtempSync(join(tmpdir(), 'sq-kafka-bench-'))
const broker = await new BrokerProcess(join(directory, 'data')).start()
try {
  await measure('this broker', broker.address)
} finally {
  await broker.kill()
  rmSync(directory, { recursive: true })
}
const mock = start(python, [fileURLToPath(new URL('mock_broker.py', import.meta.url))])
const { value: mockAddress } = await lines(mock.stdout).next()
await measure('mock broker, nothing on disk', mockAddress)
mock.stdin.end()
await once(mock, 'close')

/**
 * @param {string} name
 * @param {string} address
 */
async function measure(name, address) {
  const count = Number(records)
  const input = `${'x'.repeat(RECORD_BYTES)}\n`.repeat(count)
  const options = ['-b', address, '-t', 'bench', '-p', '0']
  const produced = await timed(() => run(start(kcat, ['-P', '-X', 'acks=all', ...options]), input))
  report(name, 'kcat produces, records/s', count / produced)
  const fetched = await timed(() => run(start(kcat, ['-C', '-e', '-q', '-o', 'beginning', ...options])))
  report(name, 'kcat fetches, records/s', count / fetched)

  const kafka = new Kafka({ brokers: [address], logLevel: logLevel.NOTHING })
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  const messages = Array.from({ length: 1000 }, () => ({ value: 'x'.repeat(RECORD_BYTES), partition: 0 }))
  const batches = Math.ceil(count / 10 / messages.length)
  const sent = await timed(async () => {
    for (let batch = 0; batch < batches; batch++) await producer.send({ topic: 'bench', messages })
  })
  report(name, 'kafkajs produces, 1,000 at a time, records/s', (batches * messages.length) / sent)
  const latencies = []
  for (let number = 0; number < LATENCIES; number++) {
    latencies.push(1000 * (await timed(() => producer.send({ topic: 'bench', messages: messages.slice(0, 1) }))))
  }
  await producer.disconnect()
  latencies.sort((a, b) => a - b)
  for (const part of [0.5, 0.99]) {
    report(name, `kafkajs, ack of one record, p${part * 100}, ms`, latencies[Math.floor(part * LATENCIES)] ?? 0)
  }
}

/**
 * Resolves with the seconds that an action takes.
 *
 * @param {() => Promise<unknown>} action
 */
async function timed(action) {
  const startMs = performance.now()
  await action()
  return (performance.now() - startMs) / 1000
}

/**
 * @param {string} name
 * @param {string} what
 * @param {number} value
 */
function report(name, what, value) {
  const shown = value < 100 ? value.toFixed(2) : Math.round(value).toLocaleString('en')
  console.log(`${name.padEnd(30)} ${what.padEnd(46)} ${shown.padStart(10)}`)
}
