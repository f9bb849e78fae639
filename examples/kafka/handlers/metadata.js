/** ApiVersions, Metadata and DescribeConfigs: what the broker is and has. */
import { offeredCalls } from '../protocol/calls.js'
import { ERROR } from '../protocol/errors.js'
import { Refusal } from '../refusal.js'

/** @typedef {import('../log/topics.js').Topics} Topics */
/** @template {import('../protocol/calls.js').CallName} N @typedef {import('../protocol/calls.js').Handler<N>} Handler */

/** The only broker that there is. */
export const NODE_ID = 1

/** Kinds of what has a configuration, and where its values come from, by their numbers in the protocol. */
const TOPIC_RESOURCE = 2
const BROKER_RESOURCE = 4
const SOURCE_STATIC_BROKER = 4

/** @type {Handler<'ApiVersions'>} */
export async function apiVersions() {
  return { errorCode: ERROR.NONE, apiKeys: offeredCalls() }
}

/**
 * @param {Topics} topics
 * @param {object} options
 * @param {() => { host: string, port: number }} options.address how clients reach the broker
 * @param {boolean} options.autoCreateTopics
 * @param {number} options.defaultPartitions
 * @returns {Handler<'Metadata'>}
 */
export function metadataHandler(topics, { address, autoCreateTopics, defaultPartitions }) {
  return async ({ topics: wanted, allowAutoTopicCreation }, { version }) => {
    // In version 0, an empty list means all; later, null does.
    const isAll = wanted === null || (version === 0 && wanted.length === 0)
    const names = isAll ? [...topics.all.keys()] : wanted.map(({ name }) => name)
    const described = []
    for (const name of new Set(names)) {
      const errorCode =
        autoCreateTopics && allowAutoTopicCreation && !topics.all.has(name)
          ? await created(topics, name, defaultPartitions)
          : ERROR.NONE
      described.push(describe(topics, name, errorCode))
    }
    return {
      brokers: [{ nodeId: NODE_ID, ...address() }],
      clusterId: 'sq',
      controllerId: NODE_ID,
      topics: described,
    }
  }
}

/**
 * Creates a topic, and resolves with the error code if it cannot be created.
 *
 * @param {Topics} topics
 * @param {string} name
 * @param {number} partitions
 */
async function created(topics, name, partitions) {
  try {
    await topics.create(name, partitions)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    if (error.errorCode !== ERROR.TOPIC_ALREADY_EXISTS) return error.errorCode
  }
  return ERROR.NONE
}

/**
 * @param {Topics} topics
 * @param {string} name
 * @param {number} errorCode
 */
function describe(topics, name, errorCode) {
  const partitions = topics.all.get(name)
  if (partitions === undefined) {
    return { errorCode: errorCode === ERROR.NONE ? ERROR.UNKNOWN_TOPIC_OR_PARTITION : errorCode, name, partitions: [] }
  }
  const nodes = { leaderId: NODE_ID, replicaNodes: [NODE_ID], isrNodes: [NODE_ID] }
  return {
    errorCode,
    name,
    partitions: partitions.map((_, partitionIndex) => ({ errorCode: ERROR.NONE, partitionIndex, ...nodes })),
  }
}

/**
 * @param {Topics} topics
 * @param {Record<string, string>} configs the same for the broker and all topics
 * @returns {Handler<'DescribeConfigs'>}
 */
export function describeConfigsHandler(topics, configs) {
  return async ({ resources }) => ({
    results: resources.map(({ resourceType, resourceName, configurationKeys }) => {
      const errorCode = resourceError(topics, resourceType, resourceName)
      const known = errorCode === ERROR.NONE ? Object.entries(configs) : []
      const wanted = known.filter(([name]) => configurationKeys === null || configurationKeys.includes(name))
      const origin = { readOnly: true, isDefault: true, configSource: SOURCE_STATIC_BROKER }
      return {
        errorCode,
        resourceType,
        resourceName,
        configs: wanted.map(([name, value]) => ({ name, value, ...origin })),
      }
    }),
  })
}

/**
 * @param {Topics} topics
 * @param {number} type
 * @param {string} name
 */
function resourceError(topics, type, name) {
  if (type === TOPIC_RESOURCE) return topics.all.has(name) ? ERROR.NONE : ERROR.UNKNOWN_TOPIC_OR_PARTITION
  return type === BROKER_RESOURCE && name === String(NODE_ID) ? ERROR.NONE : ERROR.INVALID_REQUEST
}
