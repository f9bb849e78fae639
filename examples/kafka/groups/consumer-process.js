/**
 * A consumer of the topic `t` as a process, for the test: `node consumer-process.js ADDRESS GROUP`. It prints a line of
 * JSON for each assignment, and for each record.
 */
import { Kafka, logLevel } from 'kafkajs'

const [, , address = '', groupId = ''] = process.argv
const retry = { retries: 100, initialRetryTime: 20, maxRetryTime: 200 }
const kafka = new Kafka({ clientId: 'consumer', brokers: [address], logLevel: logLevel.NOTHING, retry })
// The shortest session that a broker accepts by default.
const consumer = kafka.consumer({ groupId, sessionTimeout: 6000, heartbeatInterval: 500 })
consumer.on(consumer.events.GROUP_JOIN, ({ payload: { memberAssignment } }) =>
  print({ assigned: memberAssignment['t'] ?? [] }),
)
await consumer.connect()
await consumer.subscribe({ topic: 't', fromBeginning: true })
await consumer.run({
  autoCommitThreshold: 1,
  eachMessage: async ({ partition, message }) => print({ partition, value: String(message.value) }),
})

/** @param {unknown} line */
function print(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}
