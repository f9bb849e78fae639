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
import { RepeatedWork } from './repeated-work.js'

const MIB = 1024 * 1024
/** Segments that have expired stay for this long at most. */
const RETENTION_EVERY_MS = 5 * 60_000
/** The committed offsets of a group that has had no members for this long are deleted. */
const OFFSETS_IDLE_MS = 7 * 86_400_000
const OFFSETS_EVERY_MS = 10 * 60_000
/** How the protocol says that there is no limit. */
const UNLIMITED = -1

/**
 * @typedef {object} BrokerOptions
 * @property {string} dataDir
 * @property {boolean} [autoCreateTopics] whether a topic is created when a client asks for it; default false
 * @property {number} [defaultPartitions] of a topic that is created without their number; default 1
 * @property {number} [maxMessageBytes] the largest batch of a producer; default 1 MiB
 * @property {number} [maxSegmentBytes] default 64 MiB
 * @property {number} [maxFetchBytes] of an answer, and one batch more; default 8 MiB
 * @property {SharedLimits} [limits] of batches that are not durable yet, in all partitions; default 64 MiB
 * @property {number | null} [retentionMs] older segments of each partition are deleted; default null: none is
 * @property {number | null} [retentionBytes] the oldest segments of a partition that takes more are deleted; default
 *   null: none is
 * @property {import('@sq/sim').Clock} [clock]
 * @property {(error: unknown) => void} [onError] called when work fails that no client waits for; default `console.error`
 */

export class Broker {
  #catalogue
  #topics
  #offsets
  #groups
  /** @type {RepeatedWork[]} */
  #work = []
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
    const { retentionMs, retentionBytes, clock, onError } = options
    const expire = () => this.#groups.deleteIdleOffsets(OFFSETS_IDLE_MS)
    this.#work.push(new RepeatedWork(expire, { everyMs: OFFSETS_EVERY_MS, clock, onError }))
    if (retentionMs !== null || retentionBytes !== null) {
      const policy = {
        ...(retentionMs !== null && { maxAgeMs: retentionMs }),
        ...(retentionBytes !== null && { maxTotalBytes: retentionBytes }),
      }
      const everyMs = RETENTION_EVERY_MS
      this.#work.push(new RepeatedWork(() => topics.deleteExpired(policy), { everyMs, clock, onError }))
    }
  }

  /** The log of each partition, for its counters. */
  logs() {
    return this.#topics.logs()
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
      limits: new SharedLimits({ maxPendingBytes: 64 * MIB }),
      retentionMs: null,
      retentionBytes: null,
      clock: new SystemClock(),
      onError: console.error,
      ...given,
    }
    const { dataDir, maxSegmentBytes, maxMessageBytes, limits, clock, onError } = options
    const shared = { fs, clock, limits }
    /** @type {{ close: () => Promise<void> }[]} */
    const opened = []
    try {
      const catalogue = await Catalogue.open({ ...shared, config: { dataDir: join(dataDir, 'broker') } })
      opened.unshift(catalogue)
      const config = { dataDir: join(dataDir, 'topics'), maxSegmentBytes, maxBatchBytes: maxMessageBytes }
      const place = { ...shared, config, snapshots: join(dataDir, 'producers'), onError }
      const topics = await Topics.open(place, catalogue)
      opened.unshift(topics)
      const offsets = await OffsetStore.open(fs, join(dataDir, 'groups'), { clock, onError })
      opened.unshift(offsets)
      // A topic may have been deleted, and not yet its offsets, when the broker stopped.
      await offsets.deleteTopics([...offsets.topics].filter((name) => !topics.all.has(name)))
      return new Broker({ catalogue, topics, offsets }, options)
    } catch (error) {
      for (const log of opened) await log.close()
      throw error
    }
  }

  /**
   * What groups have committed.
   *
   * @returns {Generator<{ group: string, topic: string, partition: number, offset: bigint }>}
   */
  *committedOffsets() {
    for (const group of this.#offsets.groups) {
      for (const [topic, partitions] of this.#offsets.of(group)) {
        for (const [partition, { offset }] of partitions) yield { group, topic, partition, offset }
      }
    }
  }

  /** Ends the requests that wait, and resolves once everything appended so far is durable. */
  async close() {
    this.#groups.close()
    await Promise.all(this.#work.map((work) => work.close()))
    await this.#offsets.close()
    await this.#topics.close()
    await this.#catalogue.close()
  }

  /** @param {Required<BrokerOptions>} options */
  #handlersOf({ autoCreateTopics, defaultPartitions, maxMessageBytes, maxFetchBytes, clock, ...more }) {
    const topics = this.#topics
    const address = () => this.address
    const configs = {
      'cleanup.policy': 'delete',
      'compression.type': 'producer',
      'max.message.bytes': String(maxMessageBytes),
      'message.timestamp.type': 'CreateTime',
      'retention.bytes': String(more.retentionBytes ?? UNLIMITED),
      'retention.ms': String(more.retentionMs ?? UNLIMITED),
      'segment.bytes': String(more.maxSegmentBytes),
    }
    return {
      ApiVersions: apiVersions,
      Metadata: metadataHandler(topics, { address, autoCreateTopics, defaultPartitions }),
      DescribeConfigs: describeConfigsHandler(topics, configs),
      Produce: produceHandler(topics, { maxMessageBytes, clock }),
      Fetch: fetchHandler(topics, { maxFetchBytes, maxMessageBytes, clock }),
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
