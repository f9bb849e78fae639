/**
 * What a partition knows of its producers, up to an offset, in a file of its own: with it, a start reads only the batches
 * after that offset. It can be lost or damaged without harm, because the log has everything that is in it.
 */
import { dirname, join } from 'node:path'
import { crc32c } from '@node-rs/crc32'
import { ifExists, readFile, replaceFile } from '../../table/replace-file.js'

/** @typedef {import('@sq/sim').FileSystem} FileSystem */
/** @typedef {import('./producers.js').KnownProducer} KnownProducer */
/** The state after all batches before the offset. @typedef {{ offset: bigint, producers: KnownProducer[] }} Snapshot */
/** Fields with another type in the file. @typedef {{ firstSequence: number, lastSequence: number, baseOffset: string }} StoredBatch */
/** @typedef {{ id: string, epoch: number, next: number, batches: StoredBatch[] }} StoredProducer */
/** @typedef {{ offset: string, producers: StoredProducer[] }} StoredSnapshot */

export class ProducerSnapshot {
  #fs
  #path

  /**
   * @param {FileSystem} fs
   * @param {string} directory of the snapshots of all topics
   * @param {{ topic: string, index: number }} which
   */
  constructor(fs, directory, { topic, index }) {
    this.#fs = fs
    this.#path = join(directory, topic, `${index}.json`)
  }

  /**
   * The snapshot, or null if there is none. Rejects if it cannot be read.
   *
   * @returns {Promise<Snapshot | null>}
   */
  async read() {
    const bytes = await readFile(this.#fs, this.#path)
    if (bytes === null) return null
    const end = bytes.indexOf('\n')
    const content = bytes.subarray(end + 1)
    if (bytes.subarray(0, end).toString() !== checksum(content)) throw new Error(`${this.#path} is damaged`)
    /** @type {StoredSnapshot} */
    const { offset, producers } = JSON.parse(content.toString())
    return { offset: BigInt(offset), producers: producers.map(decode) }
  }

  /**
   * Replaces the snapshot, durably.
   *
   * @param {Snapshot} snapshot
   */
  async write({ offset, producers }) {
    /** @type {StoredSnapshot} */
    const stored = { offset: String(offset), producers: producers.map(encode) }
    const content = Buffer.from(JSON.stringify(stored))
    await this.#fs.mkdir(dirname(this.#path))
    await replaceFile(this.#fs, this.#path, Buffer.concat([Buffer.from(`${checksum(content)}\n`), content]))
  }

  /** Removes the snapshot, which must be there, durably. */
  async remove() {
    await this.#fs.unlink(this.#path)
    await this.#fs.syncDirectory(dirname(this.#path))
  }
}

/**
 * Removes the snapshots of a topic, durably. The topic must be closed.
 *
 * @param {FileSystem} fs
 * @param {string} directory of the snapshots of all topics
 * @param {string} topic
 */
export async function removeSnapshots(fs, directory, topic) {
  const ofTopic = join(directory, topic)
  const names = await ifExists(fs.readdir(ofTopic))
  if (names === null) return
  for (const name of names) await fs.unlink(join(ofTopic, name))
  await fs.syncDirectory(ofTopic)
  await fs.rmdir(ofTopic)
}

/** @param {Buffer} content */
function checksum(content) {
  return crc32c(content).toString(16)
}

/**
 * @param {KnownProducer} producer
 * @returns {StoredProducer}
 */
function encode({ id, epoch, next, batches }) {
  return {
    id: String(id),
    epoch,
    next,
    batches: batches.map((batch) => ({ ...batch, baseOffset: String(batch.baseOffset) })),
  }
}

/**
 * @param {StoredProducer} producer
 * @returns {KnownProducer}
 */
function decode({ id, epoch, next, batches }) {
  return {
    id: BigInt(id),
    epoch,
    next,
    batches: batches.map((batch) => ({ ...batch, baseOffset: BigInt(batch.baseOffset) })),
  }
}
