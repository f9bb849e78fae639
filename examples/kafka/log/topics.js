/** The topics of the broker and their partitions, which are open as long as the broker is. */
import { deleteLog, listPartitions } from '@sq/storage'
import { ERROR } from '../protocol/errors.js'
import { Refusal } from '../refusal.js'
import { Partition } from './partition.js'
import { removeSnapshots } from './producer-snapshot.js'

/** @typedef {import('./partition.js').PartitionPlace} PartitionPlace */

/** Opening a log reads its end, so many are opened at the same time, but not all. */
const OPENED_AT_ONCE = 32
const MAX_PARTITIONS = 1000
const MAX_NAME_LENGTH = 249
/** What the names of the broker's own logs begin with. */
const OWN_PREFIX = '__'

export class Topics {
  #place
  #catalogue
  /** @type {Map<string, Partition[]>} */
  #topics = new Map()
  /** Resolves when the changes so far are made: one after another. @type {Promise<unknown>} */
  #changed = Promise.resolve()

  /**
   * @param {PartitionPlace} place
   * @param {import('./catalogue.js').Catalogue} catalogue
   */
  constructor(place, catalogue) {
    this.#place = place
    this.#catalogue = catalogue
  }

  /**
   * Opens all topics of the catalogue, and removes what is left of those that were being deleted.
   *
   * @param {PartitionPlace} place
   * @param {import('./catalogue.js').Catalogue} catalogue
   */
  static async open(place, catalogue) {
    const topics = new Topics(place, catalogue)
    try {
      for (const name of catalogue.deleting) await topics.#deleteLogs(name)
      for (const [name, count] of catalogue.topics) topics.#topics.set(name, await topics.#open(name, count, false))
      return topics
    } catch (error) {
      await topics.close()
      throw error
    }
  }

  /** The partitions of each topic. @returns {ReadonlyMap<string, readonly Partition[]>} */
  get all() {
    return this.#topics
  }

  /** Each partition with the name of its log. @returns {Generator<[{ topic: string, partition: number }, Partition]>} */
  *logs() {
    for (const [topic, partitions] of this.#topics) {
      for (const [index, partition] of partitions.entries()) yield [{ topic, partition: index }, partition]
    }
  }

  /**
   * Deletes the oldest segments of each partition, as far as the limits allow it. Rejects after all of them if some
   * have failed.
   *
   * @param {import('@sq/storage').RetentionPolicy} policy
   */
  async deleteExpired(policy) {
    const failures = []
    for (const [{ topic, partition: index }, partition] of this.logs()) {
      try {
        await partition.deleteExpired(policy)
      } catch (error) {
        failures.push(new Error(`retention of ${topic}/${index} failed`, { cause: error }))
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'retention of some partitions failed')
  }

  /**
   * Throws a `Refusal` if there is no such partition.
   *
   * @param {string} name
   * @param {number} index
   */
  partition(name, index) {
    const partition = this.#topics.get(name)?.[index]
    if (partition !== undefined) return partition
    throw new Refusal(ERROR.UNKNOWN_TOPIC_OR_PARTITION, `there is no partition ${index} of ${name}`)
  }

  /**
   * Creates a topic, which is durable when this resolves. Rejects with a `Refusal` for a bad name or number, or if there
   * is such a topic.
   *
   * @param {string} name
   * @param {number} partitions
   */
  create(name, partitions) {
    return this.#change(async () => {
      this.check(name, partitions)
      if (this.#catalogue.deleting.has(name)) await this.#deleteLogs(name)
      if (await this.#place.archive?.has({ topic: name, partition: 0 })) {
        throw new Refusal(ERROR.TOPIC_ALREADY_EXISTS, `the archive has a topic ${name} that this broker does not know`)
      }
      // The logs first: a topic that is known has all of them. If it does not become known, they stay empty.
      const opened = await this.#open(name, partitions, true)
      try {
        await this.#catalogue.created(name, partitions)
      } catch (error) {
        await closeAll(opened)
        throw error
      }
      this.#topics.set(name, opened)
    })
  }

  /**
   * Throws a `Refusal` if a topic cannot be created.
   *
   * @param {string} name
   * @param {number} partitions
   */
  check(name, partitions) {
    if (!/^[\w.-]+$/.test(name) || name === '.' || name === '..' || name.length > MAX_NAME_LENGTH) {
      throw new Refusal(ERROR.INVALID_TOPIC_EXCEPTION, `a topic cannot be called ${JSON.stringify(name.slice(0, 100))}`)
    }
    if (name.startsWith(OWN_PREFIX)) {
      throw new Refusal(ERROR.INVALID_TOPIC_EXCEPTION, `names that begin with ${OWN_PREFIX} are those of the broker`)
    }
    if (this.#topics.has(name)) throw new Refusal(ERROR.TOPIC_ALREADY_EXISTS, `there is a topic ${name}`)
    if (partitions < 1 || partitions > MAX_PARTITIONS) {
      throw new Refusal(ERROR.INVALID_PARTITIONS, `a topic has 1 to ${MAX_PARTITIONS} partitions, not ${partitions}`)
    }
  }

  /**
   * Deletes a topic with all its records. It is gone durably when this resolves.
   *
   * @param {string} name
   */
  delete(name) {
    return this.#change(async () => {
      const partitions = this.#topics.get(name)
      if (partitions === undefined) throw new Refusal(ERROR.UNKNOWN_TOPIC_OR_PARTITION, `there is no topic ${name}`)
      await this.#catalogue.deletes(name)
      this.#topics.delete(name)
      await closeAll(partitions)
      await this.#deleteLogs(name)
    })
  }

  async close() {
    await this.#changed
    await Promise.all(Array.from(this.#topics.values(), closeAll))
  }

  /**
   * @template T
   * @param {() => Promise<T>} change
   */
  #change(change) {
    const changed = this.#changed.then(change)
    this.#changed = changed.catch(() => {})
    return changed
  }

  /**
   * @param {string} topic
   * @param {number} count
   * @param {boolean} create
   */
  async #open(topic, count, create) {
    /** @type {Partition[]} */
    const opened = []
    try {
      while (opened.length < count) {
        const indexes = Array.from(
          { length: Math.min(OPENED_AT_ONCE, count - opened.length) },
          (_, at) => opened.length + at,
        )
        const opening = indexes.map((index) => Partition.open(this.#place, { topic, index, create }))
        for (const result of await Promise.allSettled(opening)) {
          if (result.status === 'fulfilled') opened.push(result.value)
        }
        await Promise.all(opening)
      }
      return opened
    } catch (error) {
      await closeAll(opened)
      throw error
    }
  }

  /** @param {string} name */
  async #deleteLogs(name) {
    const { fs, config, snapshots } = this.#place
    await removeSnapshots(fs, snapshots, name)
    for (const { topic, partition } of await listPartitions(fs, config)) {
      if (topic === name && partition !== null) await deleteLog(fs, config, topic, partition)
    }
    await this.#place.archive?.deleteTopic(name)
    await this.#catalogue.deleted(name)
  }
}

/** @param {readonly Partition[]} partitions */
async function closeAll(partitions) {
  await Promise.all(partitions.map((partition) => partition.close()))
}
