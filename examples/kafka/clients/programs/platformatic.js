/** @platformatic/kafka, in the three roles that ../each-client.js gives to every client. Runs where it is installed. */
import { randomUUID } from 'node:crypto'
import { createRequire } from 'node:module'
import { text } from 'node:stream/consumers'

const { Consumer, Producer, stringDeserializers, stringSerializers } = createRequire(`${process.cwd()}/`)(
  '@platformatic/kafka',
)
const [address, role, ...args] = process.argv.slice(2)
const options = { clientId: 'check', bootstrapBrokers: [address] }

/** @type {Record<string, (...args: string[]) => Promise<void>>} */
const roles = { produce, consume, join }
await roles[role ?? '']?.(...args)

/**
 * @param {string} topic
 * @param {string} compression
 */
async function produce(topic, compression) {
  const producer = new Producer({ ...options, serializers: stringSerializers, autocreateTopics: true })
  const lines = (await text(process.stdin)).split('\n')
  await producer.send({ messages: lines.map((value) => ({ topic, value })), compression })
  await producer.close()
}

/**
 * @param {string} topic
 * @param {string} start
 * @param {string} count
 */
async function consume(topic, start, count) {
  const consumer = new Consumer({ ...options, groupId: randomUUID(), deserializers: stringDeserializers })
  const [kind, number = ''] = start.split(':')
  const mode = { start: 'earliest', end: 'latest' }[kind ?? ''] ?? 'manual'
  const offset =
    kind === 'time'
      ? (await consumer.listOffsets({ topics: [topic], timestamp: BigInt(number) })).get(topic)[0]
      : BigInt(number)
  const offsets = mode === 'manual' ? [{ topic, partition: 0, offset }] : undefined
  const stream = await consumer.consume({ topics: [topic], mode, offsets })
  let left = Number(count)
  for await (const { value } of stream) {
    console.log(value)
    if (--left === 0) break
  }
  await consumer.close(true)
}

/**
 * @param {string} groupId
 * @param {string} topic
 */
async function join(groupId, topic) {
  const consumer = new Consumer({ ...options, groupId, deserializers: stringDeserializers })
  process.once('SIGTERM', () => void consumer.close(true))
  consumer.on('consumer:group:join', (/** @type {any} */ { assignments }) => {
    const partitions = assignments.flatMap((/** @type {any} */ assignment) => assignment.partitions)
    console.log('assigned', ...partitions.toSorted())
  })
  const stream = await consumer.consume({ topics: [topic], mode: 'latest' })
  stream.resume()
}
