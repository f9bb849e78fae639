/** CreateTopics, DeleteTopics, DeleteRecords and ListOffsets. */
import { OffsetOutOfRangeError, WalError } from '@sq/storage'
import { ERROR } from '../protocol/errors.js'
import { Refusal } from '../refusal.js'
import { LEADER_EPOCH } from './fetch.js'
import { NODE_ID } from './metadata.js'

/** @typedef {import('../log/topics.js').Topics} Topics */
/** @typedef {import('../protocol/errors.js').ErrorCode} ErrorCode */
/** @template {import('../protocol/calls.js').CallName} N @typedef {import('../protocol/calls.js').Handler<N>} Handler */
/** @typedef {import('../protocol/calls.js').Request<'CreateTopics'>['topics'][number]} WantedTopic */

/** What ListOffsets asks for instead of a time. */
const LATEST = -1n
const EARLIEST = -2n
/** What DeleteRecords names for everything there is, and CreateTopics for what the broker has by default. */
const HIGH_WATERMARK = -1n
const BY_DEFAULT = -1

/**
 * @param {Topics} topics
 * @param {{ defaultPartitions: number, configs: Record<string, string> }} options
 * @returns {Handler<'CreateTopics'>}
 */
export function createTopicsHandler(topics, { defaultPartitions, configs }) {
  return async ({ topics: wanted, validateOnly }) => {
    const results = []
    /** @type {Map<string, number>} */
    const counts = new Map()
    for (const { name } of wanted) counts.set(name, (counts.get(name) ?? 0) + 1)
    for (const topic of wanted) {
      const { errorCode, errorMessage } = await outcome(async () => {
        if (counts.get(topic.name) !== 1) throw new Refusal(ERROR.INVALID_REQUEST, 'the topic is named twice')
        const partitions = partitionsOf(topic, defaultPartitions)
        checkConfigs(topic.configs, configs)
        if (validateOnly) topics.check(topic.name, partitions)
        else await topics.create(topic.name, partitions)
      })
      results.push({ name: topic.name, errorCode, errorMessage })
    }
    return { topics: results }
  }
}

/**
 * @param {Topics} topics
 * @param {(names: string[]) => Promise<void>} deleteOffsets deletes what groups have committed in topics
 * @returns {Handler<'DeleteTopics'>}
 */
export function deleteTopicsHandler(topics, deleteOffsets) {
  return async ({ topicNames }) => {
    const responses = []
    for (const name of topicNames) {
      const { errorCode } = await outcome(async () => {
        await topics.delete(name)
        await deleteOffsets([name])
      })
      responses.push({ name, errorCode })
    }
    return { responses }
  }
}

/**
 * @param {Topics} topics
 * @returns {Handler<'DeleteRecords'>}
 */
export function deleteRecordsHandler(topics) {
  return async (request) => ({
    topics: await each(request.topics, async (topic, { partitionIndex, offset }) => {
      const { errorCode, value } = await outcome(async () => {
        const partition = topics.partition(topic, partitionIndex)
        const before = offset === HIGH_WATERMARK ? partition.logEndOffset : offset
        if (before < 0n || before > partition.logEndOffset)
          throw new Refusal(ERROR.OFFSET_OUT_OF_RANGE, 'no such offset')
        await partition.deleteRecords(before)
        return partition.logStartOffset
      })
      return { partitionIndex, lowWatermark: value ?? -1n, errorCode }
    }),
  })
}

/**
 * By time it answers with the offset of a whole batch: the broker does not look into compressed records.
 *
 * @param {Topics} topics
 * @returns {Handler<'ListOffsets'>}
 */
export function listOffsetsHandler(topics) {
  return async (request) => ({
    topics: await each(request.topics, async (topic, { partitionIndex, timestamp }) => {
      const find = () => offsetAt(topics.partition(topic, partitionIndex), timestamp)
      const { errorCode, value } = await outcome(find)
      return { partitionIndex, errorCode, ...value }
    }),
  })
}

/**
 * @param {import('../log/partition.js').Partition} partition
 * @param {bigint} timestamp
 */
async function offsetAt(partition, timestamp) {
  const found = { timestamp: -1n, leaderEpoch: LEADER_EPOCH }
  if (timestamp === LATEST) return { ...found, offset: partition.logEndOffset }
  if (timestamp === EARLIEST) return { ...found, offset: await partition.findStart() }
  if (timestamp < 0n) throw new Refusal(ERROR.INVALID_REQUEST, `there is no offset for ${timestamp}`)
  if (timestamp > Number.MAX_SAFE_INTEGER) return null
  const batch = await partition.reader.offsetAt(Number(timestamp))
  if (batch === null) return null
  // A batch that is cut at the start of the log begins before it.
  const offset = batch.offset < partition.logStartOffset ? partition.logStartOffset : batch.offset
  return { ...found, offset, timestamp: BigInt(batch.timestampMs) }
}

/**
 * The answer for each partition of each topic.
 *
 * @template P, A
 * @param {readonly { name: string, partitions: readonly P[] }[]} topics
 * @param {(topic: string, partition: P) => Promise<A>} answer
 */
function each(topics, answer) {
  return Promise.all(
    topics.map(async ({ name, partitions }) => ({
      name,
      partitions: await Promise.all(partitions.map((partition) => answer(name, partition))),
    })),
  )
}

/**
 * The result of an action, or the error that it was refused with. Throws what is a fault of the program.
 *
 * @template T
 * @param {() => Promise<T>} action
 * @returns {Promise<{ errorCode: ErrorCode, errorMessage: string | null, value: T | null }>}
 */
async function outcome(action) {
  try {
    return { errorCode: ERROR.NONE, errorMessage: null, value: await action() }
  } catch (error) {
    if (error instanceof Refusal) return { errorCode: error.errorCode, errorMessage: error.message, value: null }
    if (!(error instanceof WalError)) throw error
    const errorCode = error instanceof OffsetOutOfRangeError ? ERROR.OFFSET_OUT_OF_RANGE : ERROR.KAFKA_STORAGE_ERROR
    return { errorCode, errorMessage: error.message, value: null }
  }
}

/**
 * The number of partitions of a topic to be created. Throws a `Refusal`.
 *
 * @param {WantedTopic} topic
 * @param {number} byDefault
 */
function partitionsOf({ numPartitions, replicationFactor, assignments }, byDefault) {
  if (assignments.length > 0) {
    const indexes = new Set(assignments.map(({ partitionIndex }) => partitionIndex))
    const isComplete = assignments.every((_, index) => indexes.has(index))
    if (isComplete && assignments.every(({ brokerIds: [id, ...more] }) => id === NODE_ID && more.length === 0)) {
      return assignments.length
    }
    throw new Refusal(ERROR.INVALID_REPLICA_ASSIGNMENT, `the only broker is ${NODE_ID}`)
  }
  if (replicationFactor !== 1 && replicationFactor !== BY_DEFAULT) {
    throw new Refusal(ERROR.INVALID_REPLICATION_FACTOR, 'there is one replica of everything')
  }
  return numPartitions === BY_DEFAULT ? byDefault : numPartitions
}

/**
 * Throws a `Refusal` unless a topic is to have what all topics have.
 *
 * @param {WantedTopic['configs']} wanted
 * @param {Record<string, string>} configs
 */
function checkConfigs(wanted, configs) {
  for (const { name, value } of wanted) {
    if (value === null || configs[name] === value) continue
    throw new Refusal(ERROR.INVALID_CONFIG, `${name} cannot be set to ${value} for one topic`)
  }
}
