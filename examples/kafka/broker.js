/** The broker without the network: its logs, and the handlers of all calls. */
import { SystemClock } from '@sq/sim'
import { SharedLimits } from '@sq/storage'
import { fetchHandler } from './handlers/fetch.js'
import { apiVersions, describeConfigsHandler, metadataHandler } from './handlers/metadata.js'
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
  /** How clients reach the broker, as Metadata tells them. */
  address = { host: '127.0.0.1', port: 9092 }

  /**
   * @param {Catalogue} catalogue
   * @param {Topics} topics
   * @param {Required<BrokerOptions>} options
   */
  constructor(catalogue, topics, options) {
    this.#catalogue = catalogue
    this.#topics = topics
    this.handlers = this.#handlersOf(options)
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
    const catalogue = await Catalogue.open({ ...shared, config: { dataDir: `${dataDir}/broker` } })
    try {
      const config = { dataDir: `${dataDir}/topics`, maxSegmentBytes, maxBatchBytes: maxMessageBytes }
      return new Broker(catalogue, await Topics.open({ ...shared, config }, catalogue), options)
    } catch (error) {
      await catalogue.close()
      throw error
    }
  }

  /** Ends the fetches that wait, and resolves once everything appended so far is durable. */
  async close() {
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
      DeleteTopics: deleteTopicsHandler(topics),
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
