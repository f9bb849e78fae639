/** Consumers of kafkajs as processes of one group: they share a topic, and one takes over when the other is killed. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Kafka, logLevel, Partitioners } from 'kafkajs'
import { cleanEnvironment } from '../../clean-environment.js'
import { BrokerProcess } from '../broker-process.js'

const CONSUMER = fileURLToPath(new URL('consumer-process.js', import.meta.url))
const PARTITIONS = [0, 1, 2, 3]

class ConsumerProcess {
  #child
  #changes = new EventEmitter()
  /** @type {number[]} */
  assigned = []
  /** @type {string[]} */
  values = []

  /** @param {string} address of the broker */
  constructor(address) {
    this.#child = spawn(process.execPath, [CONSUMER, address, 'g'], {
      env: cleanEnvironment(),
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    createInterface(this.#child.stdout).on('line', (line) => {
      const { assigned, value } = JSON.parse(line)
      if (assigned !== undefined) this.assigned = assigned
      if (value !== undefined) this.values.push(value)
      this.#changes.emit('change')
    })
  }

  /** @param {() => boolean} isSo */
  async until(isSo) {
    while (!isSo()) await once(this.#changes, 'change')
  }

  async kill() {
    if (this.#child.signalCode !== null) return
    const ended = once(this.#child, 'close')
    this.#child.kill('SIGKILL')
    await ended
  }
}

test('a group of two processes shares a topic, and goes on when one is killed, and when the broker is', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sq-kafka-groups-'))
  const broker = await new BrokerProcess(join(directory, 'data')).start()
  const retry = { retries: 100, initialRetryTime: 20, maxRetryTime: 200 }
  const kafka = new Kafka({ brokers: [broker.address], logLevel: logLevel.NOTHING, retry })
  /** @type {ConsumerProcess[]} */
  const consumers = []
  try {
    const admin = kafka.admin()
    await admin.connect()
    await admin.createTopics({ topics: [{ topic: 't', numPartitions: PARTITIONS.length }] })
    const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner })
    await producer.connect()
    const produce = (/** @type {string} */ round) =>
      producer.send({
        topic: 't',
        messages: PARTITIONS.map((partition) => ({ partition, value: `${round}/${partition}` })),
      })
    const [first, second] = [new ConsumerProcess(broker.address), new ConsumerProcess(broker.address)]
    consumers.push(first, second)
    for (const consumer of consumers) await consumer.until(() => consumer.assigned.length === 2)
    assert.deepEqual(new Set([...first.assigned, ...second.assigned]), new Set(PARTITIONS))
    await produce('one')
    for (const consumer of consumers) await consumer.until(() => consumer.values.length === 2)

    await first.kill()
    await second.until(() => second.assigned.length === PARTITIONS.length)
    await produce('two')
    await second.until(() => valuesOf(second, 'two') === PARTITIONS.length)

    await broker.kill()
    await broker.start()
    await produce('three')
    await second.until(() => valuesOf(second, 'three') === PARTITIONS.length)
    const offsets = await admin.fetchOffsets({ groupId: 'g', topics: ['t'] })
    assert.equal(offsets[0]?.partitions.length, PARTITIONS.length)
    await producer.disconnect()
    await admin.disconnect()
  } finally {
    for (const consumer of consumers) await consumer.kill()
    await broker.kill()
    rmSync(directory, { recursive: true })
  }
})

/**
 * How many different values of a round a consumer has received.
 *
 * @param {ConsumerProcess} consumer
 * @param {string} round
 */
function valuesOf({ values }, round) {
  return new Set(values.filter((value) => value.startsWith(`${round}/`))).size
}
