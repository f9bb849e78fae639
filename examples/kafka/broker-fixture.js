/** A broker on a disk in memory, with a clock that only the tests move, and its calls in a short form. */
import assert from 'node:assert/strict'
import { ManualClock, Random } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { AnswerMemory } from './answer-memory.js'
import { Broker } from './broker.js'
import { batchesIn } from './protocol/test-batch.js'

/** Enough for anything to happen that does not wait for the outside. */
export async function settle() {
  for (let turn = 0; turn < 30; turn++) await new Promise((done) => setImmediate(done))
}

export class BrokerFixture {
  clock = new ManualClock(1_000_000)
  answerMemory = new AnswerMemory(Infinity)
  #closed = new AbortController()
  /** @type {Broker | null} */
  #broker = null

  /**
   * @param {InMemoryFileSystem} [fs]
   * @param {Partial<import('./broker.js').BrokerOptions>} [options]
   */
  constructor(fs = new InMemoryFileSystem(), options = {}) {
    this.fs = fs
    this.options = { dataDir: '/data', clock: this.clock, maxSegmentBytes: 2000, ...options }
  }

  /** @param {import('@sq/sim').FileSystem} [fs] */
  async open(fs = this.fs) {
    this.#broker = await Broker.open(fs, this.options)
    return this
  }

  get broker() {
    assert.ok(this.#broker)
    return this.#broker
  }

  /** The power is cut, and the broker starts again. What the old one still does happens on another disk. */
  async crash(random = new Random(1)) {
    const state = this.fs.crashState()
    this.fs = new InMemoryFileSystem({ image: state.image(state.randomChoice(random)) })
    await this.open()
  }

  context(version = 7) {
    const reservation = this.answerMemory.reservation()
    return { version, clientId: 'test', clientHost: '', signal: this.#closed.signal, reservation }
  }

  disconnect() {
    this.#closed.abort()
  }

  /**
   * @param {string} name
   * @param {number} [numPartitions]
   */
  async create(name, numPartitions = 1) {
    const wanted = { name, numPartitions, replicationFactor: 1, assignments: [], configs: [] }
    const request = { topics: [wanted], timeoutMs: 0, validateOnly: false }
    const { topics } = await this.broker.handlers.CreateTopics(request, this.context(4))
    return topics[0]?.errorCode
  }

  /** @param {string} name */
  async delete(name) {
    const { responses } = await this.broker.handlers.DeleteTopics({ topicNames: [name], timeoutMs: 0 }, this.context(3))
    return responses[0]?.errorCode
  }

  /**
   * Resolves with the error code and the offset.
   *
   * @param {string} name
   * @param {number} index
   * @param {Buffer} records
   */
  async produce(name, index, records) {
    const topicData = [{ name, partitionData: [{ index, records }] }]
    const request = { transactionalId: null, acks: -1, timeoutMs: 0, topicData }
    const response = await this.broker.handlers.Produce(request, this.context())
    const [answer] = response?.responses[0]?.partitionResponses ?? []
    return [answer?.errorCode, answer?.baseOffset]
  }

  /**
   * @param {[topic: string, partition: number, fetchOffset: bigint][]} places
   * @param {{ minBytes?: number, maxWaitMs?: number, maxBytes?: number, partitionMaxBytes?: number }} [limits]
   */
  async fetch(places, { minBytes = 1, maxWaitMs = 0, maxBytes = 1e6, partitionMaxBytes = 1e6 } = {}) {
    const topics = places.map(([topic, partition, fetchOffset]) => ({
      topic,
      partitions: [{ partition, currentLeaderEpoch: -1, fetchOffset, logStartOffset: -1n, partitionMaxBytes }],
    }))
    const session = { sessionId: 0, sessionEpoch: -1, forgottenTopicsData: [], rackId: '' }
    const request = { replicaId: -1, isolationLevel: 0, maxWaitMs, minBytes, maxBytes, topics, ...session }
    const context = this.context(11)
    const { responses } = await this.broker.handlers.Fetch(request, context)
    context.reservation.set(0)
    return responses.flatMap(({ partitions }) =>
      partitions.map(({ errorCode, records, highWatermark }) => ({
        errorCode,
        highWatermark,
        records: batchesIn(records).map((batch) => batch.records),
      })),
    )
  }

  /**
   * @param {string} name
   * @param {bigint} timestamp
   */
  async offset(name, timestamp) {
    const partition = { partitionIndex: 0, currentLeaderEpoch: -1, timestamp }
    const request = { replicaId: -1, isolationLevel: 0, topics: [{ name, partitions: [partition] }] }
    const { topics } = await this.broker.handlers.ListOffsets(request, this.context(5))
    const [{ errorCode, offset = -1n, timestamp: found = -1n } = { errorCode: -1 }] = topics[0]?.partitions ?? []
    return { errorCode, offset, timestamp: found }
  }

  /**
   * @param {string} name
   * @param {bigint} offset
   */
  async deleteRecords(name, offset) {
    const request = { topics: [{ name, partitions: [{ partitionIndex: 0, offset }] }], timeoutMs: 0 }
    const { topics } = await this.broker.handlers.DeleteRecords(request, this.context(1))
    const [answer] = topics[0]?.partitions ?? []
    return [answer?.errorCode, answer?.lowWatermark]
  }

  /**
   * A consumer without a group of members commits an offset of partition 0.
   *
   * @param {string} groupId
   * @param {string} name
   * @param {bigint} committedOffset
   */
  async commit(groupId, name, committedOffset) {
    const partition = { partitionIndex: 0, committedOffset, committedLeaderEpoch: -1, committedMetadata: '' }
    const member = { generationIdOrMemberEpoch: -1, memberId: '', groupInstanceId: null }
    const request = { groupId, ...member, retentionTimeMs: -1n, topics: [{ name, partitions: [partition] }] }
    const { topics } = await this.broker.handlers.OffsetCommit(request, this.context(7))
    return topics[0]?.partitions[0]?.errorCode
  }

  /** @param {string[] | null} names */
  async metadata(names, allowAutoTopicCreation = true) {
    const topics = names?.map((name) => ({ name })) ?? null
    const answer = await this.broker.handlers.Metadata({ topics, allowAutoTopicCreation }, this.context(6))
    return answer.topics.map(({ name, errorCode, partitions }) => [name, errorCode, partitions.length])
  }

  async producerId() {
    const request = { transactionalId: null, transactionTimeoutMs: 0 }
    const { producerId } = await this.broker.handlers.InitProducerId(request, this.context(1))
    return producerId
  }
}
