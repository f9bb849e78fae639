/** kafka-crab-js, in the three roles that ../each-client.js gives to every client. Runs where it is installed. */
import { createRequire } from 'node:module'
import { text } from 'node:stream/consumers'

const { KafkaClient } = createRequire(`${process.cwd()}/`)('kafka-crab-js')
const [address, role, ...args] = process.argv.slice(2)
const client = new KafkaClient({ brokers: address, clientId: 'check' })

/** @type {Record<string, (...args: string[]) => Promise<void>>} */
const roles = { produce, consume, join }
await roles[role ?? '']?.(...args)
// Something of the client keeps the process alive.
process.stdout.write('', () => process.exit())

/**
 * @param {string} topic
 * @param {string} compression
 */
async function produce(topic, compression) {
  const producer = client.createProducer({ configuration: { 'compression.type': compression } })
  const lines = (await text(process.stdin)).split('\n')
  await producer.send({ topic, messages: lines.map((line) => ({ payload: Buffer.from(line) })) })
}

/**
 * @param {string} topic
 * @param {string} start
 * @param {string} count
 */
async function consume(topic, start, count) {
  const consumer = client.createConsumer({ groupId: 'unused', configuration: { 'check.crcs': true } })
  const [kind, number] = start.split(':')
  const offset = kind === 'offset' ? { offset: Number(number) } : { position: kind === 'start' ? 'Beginning' : 'End' }
  await consumer.subscribe([{ topic, partitionOffset: [{ partition: 0, offset }] }])
  for (let left = Number(count); left > 0; left--) console.log(String((await consumer.recv()).payload))
  await consumer.disconnect()
}

/**
 * @param {string} groupId
 * @param {string} topic
 */
async function join(groupId, topic) {
  const consumer = client.createConsumer({ groupId })
  process.once('SIGTERM', () => void consumer.disconnect())
  consumer.onEvents((/** @type {unknown} */ _error, /** @type {any} */ event) => {
    if (event.name !== 'PostRebalance') return
    const places = event.payload.tpl.flatMap((/** @type {any} */ { partitionOffset }) => partitionOffset)
    console.log('assigned', ...places.map((/** @type {any} */ { partition }) => partition).toSorted())
  })
  await consumer.subscribe(topic)
  while ((await consumer.recv()) !== null);
}
