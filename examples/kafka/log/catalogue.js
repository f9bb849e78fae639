/**
 * Which topics there are, and which producer ids have been given out: a log of changes. Only the last state counts, so
 * the log is written again from it when it is opened.
 */
import { WalReader } from '@sq/storage'
import { BrokerLog } from './broker-log.js'

/** No topic of a client has such a name, so metrics and errors of the two are told apart. */
const TOPIC = '__catalogue'
/** Ids of producers are taken from the log in blocks, so that most need no append. */
const PRODUCER_IDS = 1000n

/** @typedef {{ type: 'created', topic: string, partitions: number }} Created */
/** @typedef {{ type: 'deleting', topic: string }} Deleting */
/** @typedef {{ type: 'deleted', topic: string }} Deleted */
/** @typedef {{ type: 'producer ids', next: string }} ProducerIds */
/** @typedef {Created | Deleting | Deleted | ProducerIds} Change */

export class Catalogue {
  #log
  /** The number of partitions of each topic. @type {Map<string, number>} */
  topics = new Map()
  /** Topics that are deleted, but whose logs may still be there. @type {Set<string>} */
  deleting = new Set()
  /** Ids from here on have never been given out. */
  #reservedId = 0n
  #nextId = 0n
  /** @type {Promise<unknown>} */
  #reserving = Promise.resolve()

  /** @param {BrokerLog} log */
  constructor(log) {
    this.#log = log
  }

  /** @param {import('./broker-log.js').LogPlace} place */
  static async open(place) {
    const log = await BrokerLog.open(place, { topic: TOPIC, partition: 0 })
    try {
      const catalogue = new Catalogue(log)
      const reader = await WalReader.open(place.fs, place.config, TOPIC, 0)
      for await (const { value } of reader.read()) catalogue.#apply(JSON.parse(Buffer.from(value ?? []).toString()))
      await reader.close()
      await catalogue.#compact()
      return catalogue
    } catch (error) {
      await log.close()
      throw error
    }
  }

  /**
   * Makes a topic known, durably. Its partitions must be there.
   *
   * @param {string} topic
   * @param {number} partitions
   */
  created(topic, partitions) {
    return this.#change({ type: 'created', topic, partitions })
  }

  /**
   * Makes a topic unknown, durably. Its logs can be deleted then.
   *
   * @param {string} topic
   */
  deletes(topic) {
    return this.#change({ type: 'deleting', topic })
  }

  /**
   * Says that the logs of a topic are gone.
   *
   * @param {string} topic
   */
  deleted(topic) {
    return this.#change({ type: 'deleted', topic })
  }

  /** An id that no producer has had. */
  async nextProducerId() {
    const reserved = this.#reserving.then(async () => {
      if (this.#nextId === this.#reservedId) {
        await this.#change({ type: 'producer ids', next: String(this.#reservedId + PRODUCER_IDS) })
      }
      return this.#nextId++
    })
    this.#reserving = reserved.catch(() => {})
    return reserved
  }

  async close() {
    await this.#log.close()
  }

  /** @param {Change} change */
  async #change(change) {
    const offset = await this.#log.writer.append({ value: encode(change) })
    // Another machine must not miss a topic whose records are archived, or give out the same id again.
    await this.#log.archived(offset)
    this.#apply(change)
  }

  /** @param {Change} change */
  #apply(change) {
    if (change.type === 'created') this.topics.set(change.topic, change.partitions)
    else if (change.type === 'deleted') this.deleting.delete(change.topic)
    else if (change.type === 'deleting') {
      this.topics.delete(change.topic)
      this.deleting.add(change.topic)
    } else this.#reservedId = BigInt(change.next)
  }

  /** Writes the state into a new segment, and deletes the others. */
  async #compact() {
    this.#nextId = this.#reservedId
    /** @type {Change[]} */
    const state = [{ type: 'producer ids', next: String(this.#reservedId) }]
    for (const [topic, partitions] of this.topics) state.push({ type: 'created', topic, partitions })
    for (const topic of this.deleting) state.push({ type: 'deleting', topic })
    await this.#log.writer.closeActiveSegment()
    const first = await this.#log.writer.appendBatch(state.map((change) => ({ value: encode(change) })))
    await this.#log.deleteBelow(first)
  }
}

/** @param {Change} change */
function encode(change) {
  return Buffer.from(JSON.stringify(change))
}
