/** A broker whose machine is lost while kafkajs produces: another one goes on with what was archived. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { DirectoryObjectStore, lastArchived } from '@sq/archive'
import { NodeFileSystem } from '@sq/storage'
import { Kafka, logLevel, Partitioners } from 'kafkajs'
import { BrokerProcess } from './broker-process.js'

/** @type {string} */
let directory
/** @type {BrokerProcess[]} */
let brokers
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sq-kafka-archive-'))
  brokers = []
})
afterEach(async () => {
  await Promise.all(brokers.map((broker) => broker.kill()))
  rmSync(directory, { recursive: true })
})

/**
 * A broker on a machine of its own, and a client of it.
 *
 * @param {string} machine
 */
async function start(machine) {
  const archive = ['--archive', join(directory, 'archive'), '--archive-within-ms', '200', '--retention-bytes', '0']
  const broker = await new BrokerProcess(join(directory, machine), archive).start()
  brokers.push(broker)
  const retry = { retries: 5, initialRetryTime: 20, maxRetryTime: 50 }
  const kafka = new Kafka({ clientId: 'test', brokers: [broker.address], logLevel: logLevel.NOTHING, retry })
  return { broker, kafka }
}

/**
 * The first values of a topic with one partition.
 *
 * @param {Kafka} kafka
 * @param {number} count
 */
async function consume(kafka, count) {
  const consumer = kafka.consumer({ groupId: `reader of ${count}` })
  await consumer.connect()
  await consumer.subscribe({ topic: 't', fromBeginning: true })
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

test('nothing that was archived is lost when a machine is, and another one goes on', async () => {
  const store = new DirectoryObjectStore(new NodeFileSystem(), join(directory, 'archive'))
  const archivedEnd = async () => {
    const last = await lastArchived(store, { prefix: 'topics', topic: 't', partition: 0 })
    return Number(last?.nextOffset ?? 0n)
  }
  let sent = 0
  let kept = 0
  for (const machine of ['first', 'second']) {
    const { broker, kafka } = await start(machine)
    const producer = kafka.producer({ idempotent: true, createPartitioner: Partitioners.DefaultPartitioner })
    await producer.connect()
    const send = async () => {
      const messages = Array.from({ length: 10 }, (_, index) => ({ value: String(sent + index) }))
      await producer.send({ topic: 't', messages })
      sent += 10
    }
    while ((await archivedEnd()) < kept + 100) await send()
    const killed = broker.kill()
    await assert.rejects(async () => {
      for (;;) await send()
    })
    await killed
    await producer.disconnect()
    kept = await archivedEnd()
    // The batch that was not acknowledged may be archived, too.
    assert.ok(kept <= sent + 10, `${kept} of ${sent} are archived`)
    // What came after that is gone with the disk, and is sent again.
    sent = kept
    rmSync(join(directory, machine), { recursive: true })
  }
  const { kafka } = await start('third')
  const numbers = Array.from({ length: kept }, (_, index) => String(index))
  assert.deepEqual(await consume(kafka, kept), numbers)
})
