/** The broker without the network: its logs, its consumer groups, and the handlers of all calls. */
import { join } from 'node:path'
import { SystemClock } from '@sq/sim'
import { SharedLimits } from '@sq/storage'
import { groupHandlers } from './groups/handlers.js'
import { OffsetStore } from './groups/offset-store.js'
import { fetchHandler } from './handlers/fetch.js'
import { apiVersions, describeConfigsHandler, metadataHandler, NODE_ID } from './handlers/metadata.js'
import { produceHandler } from './handlers/produce.js'
import {
  createTopicsHandler,
  deleteRecordsHandler,
  deleteTopicsHandler,
  listOffsetsHandler,
} from './handlers/topics.js'
import { Catalogue } from './log/catalogue.js'
import { Topics } from './log/topics.js'
import { ERROR } from './protocol/errors.js'

const MIB = 1024 * 1024

/**
 * @typedef {object} BrokerOptions
 * @property {string} dataDir
 * @property {boolean} [autoCreateTopics] whether a topic is created when a client asks for it; default false
 * @property {number} [defaultPartitions] of a topic that is created without their number; default 1
 * @property {number} [maxMessageBytes] the largest batch of a producer; default 1 MiB
 * @property {number} [maxSegmentBytes] default 64 MiB
 * @property {number} [maxFetchBytes] of an answer, and one batch more; default 8 MiB
 * @property {number} [maxPendingBytes] of batches that are not durable yet, in all partitions; default 64 MiB
 * @property {import('@sq/sim').Clock} [clock]
 */

export class Broker {
  #catalogue
  #topics
  #offsets
  #groups
  /** How clients reach the broker, as Metadata tells them. */
  address = { host: '127.0.0.1', port: 9092 }

  /**
   * @param {{ catalogue: Catalogue, topics: Topics, offsets: OffsetStore }} logs
   * @param {Required<BrokerOptions>} options
   */
  constructor({ catalogue, topics, offsets }, options) {
    this.#catalogue = catalogue
    this.#topics = topics
    this.#offsets = offsets
    this.#groups = groupHandlers({
      offsets,
      address: () => this.address,
      nodeId: NODE_ID,
      hasPartition: (topic, index) => topics.all.get(topic)?.[index] !== undefined,
      clock: options.clock,
    })
    this.handlers = { ...this.#handlersOf(options), ...this.#groups.handlers }
  }

  /**
   * Opens all logs in a directory, or an empty broker if there are none.
   *
   * @param {import('@sq/sim').FileSystem} fs
   * @param {BrokerOptions} given
   */
  static async open(fs, given) {
    const options = {
      autoCreateTopics: false,
      defaultPartitions: 1,
      maxMessageBytes: MIB,
      maxSegmentBytes: 64 * MIB,
      maxFetchBytes: 8 * MIB,
      maxPendingBytes: 64 * MIB,
      clock: new SystemClock(),
      ...given,
    }
    const { dataDir, maxSegmentBytes, maxMessageBytes, maxPendingBytes, clock } = options
    const shared = { fs, clock, limits: new SharedLimits({ maxPendingBytes }) }
    /** @type {{ close: () => Promise<void> }[]} */
    const opened = []
    try {
      const catalogue = await Catalogue.open({ ...shared, config: { dataDir: join(dataDir, 'broker') } })
      opened.unshift(catalogue)
      const config = { dataDir: join(dataDir, 'topics'), maxSegmentBytes, maxBatchBytes: maxMessageBytes }
      const topics = await Topics.open({ ...shared, config }, catalogue)
      opened.unshift(topics)
      const offsets = await OffsetStore.open(fs, join(dataDir, 'groups'), { clock })
      opened.unshift(offsets)
      // A topic may have been deleted, and not yet its offsets, when the broker stopped.
      await offsets.deleteTopics([...offsets.topics].filter((name) => !topics.all.has(name)))
      return new Broker({ catalogue, topics, offsets }, options)
    } catch (error) {
      for (const log of opened) await log.close()
      throw error
    }
  }

  /** Ends the requests that wait, and resolves once everything appended so far is durable. */
  async close() {
    this.#groups.close()
    await this.#offsets.close()
    await this.#topics.close()
    await this.#catalogue.close()
  }

  /** @param {Required<BrokerOptions>} options */
  #handlersOf({ autoCreateTopics, defaultPartitions, maxMessageBytes, maxSegmentBytes, maxFetchBytes, clock }) {
    const topics = this.#topics
    const address = () => this.address
    const configs = {
      'cleanup.policy': 'delete',
      'compression.type': 'producer',
      'max.message.bytes': String(maxMessageBytes),
      'message.timestamp.type': 'CreateTime',
      'segment.bytes': String(maxSegmentBytes),
    }
    return {
      ApiVersions: apiVersions,
      Metadata: metadataHandler(topics, { address, autoCreateTopics, defaultPartitions }),
      DescribeConfigs: describeConfigsHandler(topics, configs),
      Produce: produceHandler(topics, { maxMessageBytes }),
      Fetch: fetchHandler(topics, { maxFetchBytes, clock }),
      ListOffsets: listOffsetsHandler(topics),
      CreateTopics: createTopicsHandler(topics, { defaultPartitions, configs }),
      DeleteTopics: deleteTopicsHandler(topics, (names) => this.#offsets.deleteTopics(names)),
      DeleteRecords: deleteRecordsHandler(topics),
      InitProducerId: this.#initProducerId,
    }
  }

  /** @type {import('./protocol/calls.js').Handler<'InitProducerId'>} */
  #initProducerId = async ({ transactionalId }) => {
    // There are no transactions.
    if (transactionalId !== null) return { errorCode: ERROR.INVALID_REQUEST }
    return { errorCode: ERROR.NONE, producerId: await this.#catalogue.nextProducerId() }
  }
}
