/** The broker without the network: its logs, its consumer groups, and the handlers of all calls. */
import { join } from 'node:path'
import { SystemClock } from '@sq/sim'
import { SharedLimits } from '@sq/storage'
import { groupHandlers } from './groups/handlers.js'
import { MAX_RECORD_BYTES, OffsetStore } from './groups/offset-store.js'
import { fetchHandler } from './handlers/fetch.js'
import { apiVersions, describeConfigsHandler, metadataHandler, NODE_ID } from './handlers/metadata.js'
import { produceHandler } from './handlers/produce.js'
import {
  createTopicsHandler,
  deleteRecordsHandler,
  deleteTopicsHandler,
  listOffsetsHandler,
} from './handlers/topics.js'
import { Archive } from './log/archive.js'
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
 * @property {import('@sq/archive').ObjectStore | null} [archive] where ended segments go. Retention then deletes only
 *   what is archived, and only on this machine. Default null
 * @property {number} [archiveWithinMs] how long a record may be on this machine only; default 60 s
 * @property {(error: unknown) => void} [onArchiveStopped] called when another broker has taken over the archive: close
 *   this one; default `console.error`
 * @property {import('@sq/sim').Clock} [clock]
 * @property {(error: unknown) => void} [onError] called when work fails that no client waits for; default `console.error`
 */

export class Broker {
  #archives
  #catalogue
  #topics
  #offsets
  #groups
  /** @type {RepeatedWork[]} */
  #work = []
  /** How clients reach the broker, as Metadata tells them. */
  address = { host: '127.0.0.1', port: 9092 }

  /**
   * @param {{ catalogue: Catalogue, topics: Topics, offsets: OffsetStore, archives: Archive[] }} logs
   * @param {Required<BrokerOptions>} options
   */
  constructor({ catalogue, topics, offsets, archives }, options) {
    this.#archives = archives
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
    const { archive, clock, onError } = options
    const expire = () => this.#groups.deleteIdleOffsets(OFFSETS_IDLE_MS)
    this.#work.push(new RepeatedWork(expire, { everyMs: OFFSETS_EVERY_MS, clock, onError }))
    const policy = policyOf(options)
    if (policy !== null && archive === null) {
      const everyMs = RETENTION_EVERY_MS
      this.#work.push(new RepeatedWork(() => topics.deleteExpired(policy), { everyMs, clock, onError }))
    }
  }

  /** What is not archived yet, and the attempts that have failed; null without an archive. */
  archiveStats() {
    if (this.#archives.length === 0) return null
    const all = this.#archives.map((archive) => archive.stats())
    const sum = (/** @type {'pendingBytes' | 'retries'} */ name) => all.reduce((total, stats) => total + stats[name], 0)
    return { pendingBytes: sum('pendingBytes'), retries: sum('retries') }
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
      archive: null,
      archiveWithinMs: 60_000,
      clock: new SystemClock(),
      onError: console.error,
      onArchiveStopped: console.error,
      ...given,
    }
    const { dataDir, maxSegmentBytes, maxMessageBytes, limits, clock, onError } = options
    /** @type {Archive[]} */
    const archives = []
    /** @type {(folder: string, config?: object) => import('./log/broker-log.js').LogPlace} */
    const placeOf = (folder, more = {}) => {
      const config = { dataDir: join(dataDir, folder), ...more }
      const archive = archiveOf(fs, config, folder, options)
      if (archive !== null) archives.push(archive)
      return { fs, config, clock, limits, archive, onError }
    }
    /** @type {{ close: () => Promise<void> }[]} */
    const opened = []
    try {
      const catalogue = await Catalogue.open(placeOf('broker'))
      opened.unshift(catalogue)
      const place = placeOf('topics', { maxSegmentBytes, maxBatchBytes: maxMessageBytes })
      const topics = await Topics.open({ ...place, snapshots: join(dataDir, 'producers') }, catalogue)
      opened.unshift(topics)
      const { config, archive } = placeOf('groups', { maxRecordBytes: MAX_RECORD_BYTES })
      const offsets = await OffsetStore.open(fs, config.dataDir, { clock, archive, onError })
      opened.unshift(offsets)
      // A topic may have been deleted, and not yet its offsets, when the broker stopped.
      await offsets.deleteTopics([...offsets.topics].filter((name) => !topics.all.has(name)))
      return new Broker({ catalogue, topics, offsets, archives }, options)
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
      ...retentionConfigs(more),
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

/**
 * What retention deletes; null if there is no limit.
 *
 * @param {Pick<Required<BrokerOptions>, 'retentionMs' | 'retentionBytes'>} options
 */
function policyOf({ retentionMs, retentionBytes }) {
  if (retentionMs === null && retentionBytes === null) return null
  return {
    ...(retentionMs !== null && { maxAgeMs: retentionMs }),
    ...(retentionBytes !== null && { maxTotalBytes: retentionBytes }),
  }
}

/**
 * The archive of the logs in a folder; null if there is none. Only topics expire: the other logs know themselves which
 * segments are needed no longer.
 *
 * @param {import('@sq/sim').FileSystem} fs
 * @param {import('@sq/storage').WalConfig} config
 * @param {string} folder
 * @param {Required<BrokerOptions>} options
 */
function archiveOf(fs, config, folder, options) {
  const { archive: store, archiveWithinMs: withinMs, onArchiveStopped: onStopped, clock } = options
  if (store === null) return null
  const localRetention = folder === 'topics' ? policyOf(options) : null
  return new Archive(fs, config, folder, {
    store,
    withinMs,
    clock,
    onStopped,
    ...(localRetention && { localRetention }),
  })
}

/**
 * @param {Pick<Required<BrokerOptions>, 'retentionMs' | 'retentionBytes' | 'archive'>} options
 * @returns {Record<string, string>}
 */
function retentionConfigs({ retentionMs, retentionBytes, archive }) {
  const [bytes, ms] = [String(retentionBytes ?? UNLIMITED), String(retentionMs ?? UNLIMITED)]
  if (archive === null) return { 'retention.bytes': bytes, 'retention.ms': ms }
  return {
    'remote.storage.enable': 'true',
    'local.retention.bytes': bytes,
    'local.retention.ms': ms,
    'retention.bytes': String(UNLIMITED),
    'retention.ms': String(UNLIMITED),
  }
}
