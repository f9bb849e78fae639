/** The broker as a process on a real disk, with kafkajs as its client, and with clients that are none. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { Random } from '@sq/sim'
import { CompressionTypes, Kafka, logLevel, Partitioners } from 'kafkajs'
import { BrokerProcess } from './broker-process.js'

const MIB = 1024 * 1024

/** @type {string} */
let directory
/** @type {BrokerProcess} */
let broker
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sq-kafka-'))
  broker = await new BrokerProcess(join(directory, 'data'), ['--http', '0']).start()
})
afterEach(async () => {
  await broker.kill()
  rmSync(directory, { recursive: true })
})

function client() {
  const retry = { retries: 100, initialRetryTime: 20, maxRetryTime: 100 }
  return new Kafka({ clientId: 'test', brokers: [broker.address], logLevel: logLevel.NOTHING, retry })
}

/**
 * The values of a topic with one partition, once there are as many.
 *
 * @param {Kafka} kafka
 * @param {string} topic
 * @param {number} count
 */
async function consume(kafka, topic, count) {
  const consumer = kafka.consumer({ groupId: `reader of ${topic}` })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  /** @type {string[]} */
  const values = []
  await new Promise((done, fail) => {
    const eachMessage = async (/** @type {import('kafkajs').EachMessagePayload} */ { message }) => {
      values.push(String(message.value))
      if (values.length === count) done(null)
    }
    consumer.run({ eachMessage }).catch(fail)
  })
  await consumer.disconnect()
  return values
}

test('kafkajs produces and consumes with and without compression, in a group that goes on where it was', async () => {
  const kafka = client()
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  for (const [index, compression] of [CompressionTypes.None, CompressionTypes.GZIP].entries()) {
    await producer.send({ topic: 't', compression, messages: [{ value: `${index} a` }, { value: `${index} b` }] })
  }
  assert.deepEqual(await consume(kafka, 't', 4), ['0 a', '0 b', '1 a', '1 b'])
  assert.equal(await broker.stop(), 0)
  await broker.start()
  await producer.send({ topic: 't', messages: [{ value: 'c' }] })
  assert.deepEqual(await consume(kafka, 't', 1), ['c'])
  await producer.disconnect()
})

test('an idempotent producer loses nothing that was acknowledged and stores nothing twice while the broker is killed', async () => {
  const kafka = client()
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic: 't', numPartitions: 1 }] })
  await admin.disconnect()
  const producer = kafka.producer({ idempotent: true, createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  let sent = 0
  const send = async (/** @type {number} */ times) => {
    for (let left = times; left > 0; left--) {
      const messages = Array.from({ length: 10 }, (_, index) => ({ value: String(sent + index) }))
      await producer.send({ topic: 't', messages })
      sent += 10
    }
  }
  for (let kills = 0; kills < 5; kills++) {
    await send(5)
    const sending = send(10)
    await broker.kill()
    await broker.start()
    await sending
  }
  await producer.disconnect()
  assert.deepEqual(
    await consume(kafka, 't', sent),
    Array.from({ length: sent }, (_, index) => String(index)),
  )
})

test('connections that send garbage, half a request or a length of 2 GB leave the broker as it was', async () => {
  const length = Buffer.alloc(4)
  length.writeInt32BE(2 ** 31 - 1)
  const half = Buffer.alloc(64 * 1024)
  half.writeInt32BE(10 * MIB)
  const random = new Random(2)
  const before = broker.residentBytes
  const sockets = []
  for (let number = 0; number < 300; number++) {
    const socket = connect(broker.port, '127.0.0.1').on('error', () => {})
    sockets.push(socket)
    socket.write(number % 3 === 0 ? length : number % 3 === 1 ? half : random.bytes(1000))
  }
  await Promise.all(sockets.filter((_, number) => number % 3 === 0).map((socket) => once(socket, 'close')))
  const kafka = client()
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  await producer.send({ topic: 't', messages: [{ value: 'a' }] })
  await producer.disconnect()
  const grownBytes = broker.residentBytes - before
  assert.ok(grownBytes < 200 * MIB, `it grew by ${grownBytes / MIB} MiB`)
  for (const socket of sockets) socket.destroy()
})

test('an operator gets the health and the metrics of the broker over HTTP', async () => {
  const health = await fetch(`http://${broker.httpAddress}/health`)
  assert.deepEqual([health.status, await health.text()], [200, 'ok\n'])
  const metrics = await fetch(`http://${broker.httpAddress}/metrics`)
  assert.match(metrics.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/)
  assert.match(await metrics.text(), /^sq_kafka_connections 0$/m)
})

test('a broker that is told to stop answers a waiting fetch and ends within a moment', async () => {
  const kafka = client()
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  await producer.send({ topic: 't', messages: [{ value: 'a' }] })
  await producer.disconnect()
  const consumer = kafka.consumer({ groupId: 'g', maxWaitTimeInMs: 60_000 })
  await consumer.connect()
  await consumer.subscribe({ topic: 't', fromBeginning: true })
  const consumed = new Promise((done) => void consumer.run({ eachMessage: async () => done(null) }))
  await consumed
  assert.equal(await broker.stop(), 0)
  await broker.start()
  await consumer.disconnect()
})
