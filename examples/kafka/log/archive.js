/**
 * The archive of the broker: the ended segments of all its logs in an object store. Each folder of logs in the data
 * directory has a folder of the same name there.
 */
import { resolve } from 'node:path'
import {
  Archiver,
  deleteArchived,
  DirectoryObjectStore,
  lastArchived,
  ObjectStoreFileSystem,
  restoreLog,
  TieredReader,
} from '@sq/archive'

/** @typedef {import('@sq/archive').ObjectStore} ObjectStore */
/** @typedef {import('@sq/sim').FileSystem} FileSystem */
/** @typedef {import('@sq/storage').WalConfig} WalConfig */
/** @typedef {{ topic: string, partition: number }} LogName */

/**
 * @typedef {object} ArchiveOptions
 * @property {ObjectStore} store
 * @property {number} withinMs how long a record may be on this machine only, as long as the store answers
 * @property {import('@sq/archive').LocalRetention} [localRetention] which archived segments are deleted here; none if
 *   not given
 * @property {import('@sq/sim').Clock} clock
 * @property {(error: unknown) => void} onStopped called when a log is not archived any more: another broker owns the
 *   archive, or it is that of another log
 */

/** What is restored of a log that is read from both places. Any limit restores the newest segment. */
const NEWEST_SEGMENT_BYTES = 1

/** The logs of one folder. */
export class Archive {
  #fs
  #config
  #store
  #prefix
  #archiver
  #clock
  /** Of all readers, which share its memory. */
  #archived
  /** The last restore: one at a time, because each takes memory. @type {Promise<unknown>} */
  #restored = Promise.resolve()

  /**
   * @param {FileSystem} fs
   * @param {WalConfig} config of the logs on this machine
   * @param {string} folder in the store
   * @param {ArchiveOptions} options
   */
  constructor(fs, config, folder, { store, withinMs, localRetention, clock, onStopped }) {
    this.#fs = fs
    this.#config = config
    this.#store = store
    this.#prefix = folder
    this.#clock = clock
    this.#archived = new ObjectStoreFileSystem(store, { prefix: folder, clock })
    this.#archiver = new Archiver(fs, config, store, {
      prefix: folder,
      maxUnarchivedMs: withinMs,
      clock,
      onStopped,
      ...(localRetention && { localRetention }),
    })
  }

  /** For the writers of all logs. */
  get onSegmentClosed() {
    return this.#archiver.onSegmentClosed
  }

  stats() {
    return this.#archiver.stats()
  }

  /**
   * Archives a log from now on.
   *
   * @param {import('@sq/storage').WalWriter} writer
   * @param {LogName} name
   */
  attach(writer, { topic, partition }) {
    return this.#archiver.attach(writer, topic, partition)
  }

  /**
   * A reader of a log in both places.
   *
   * @param {LogName} name
   */
  reader({ topic, partition }) {
    const options = { archive: this.#archived, clock: this.#clock }
    return TieredReader.open(this.#fs, this.#config, topic, partition, options)
  }

  /**
   * Whether something of a log is archived.
   *
   * @param {LogName} name
   */
  async has(name) {
    return (await lastArchived(this.#store, this.#place(name))) !== null
  }

  /**
   * Makes a log that is not on this machine out of its archive. Does nothing if nothing of it is archived.
   *
   * @param {LogName} name
   * @param {{ isWhole: boolean }} part the whole log, or only its newest segment
   */
  async restore(name, { isWhole }) {
    const restored = this.#restored.then(() =>
      this.#restoreNow(name, isWhole ? {} : { maxBytes: NEWEST_SEGMENT_BYTES }),
    )
    this.#restored = restored.catch(() => {})
    await restored
  }

  /**
   * @param {LogName} name
   * @param {import('@sq/archive').RestoreOptions} limits
   */
  async #restoreNow(name, limits) {
    const target = { fs: this.#fs, config: this.#config }
    if (await this.has(name)) await restoreLog(this.#store, this.#place(name), target, limits)
  }

  /**
   * Deletes archived segments that hold only offsets before this one.
   *
   * @param {LogName} name
   * @param {bigint} belowOffset
   */
  async deleteBelow(name, belowOffset) {
    await deleteArchived(this.#store, this.#place(name), { policy: { belowOffset }, nowMs: this.#clock.now() })
  }

  /**
   * Deletes everything that is archived of a topic. Its logs must be closed.
   *
   * @param {string} topic
   */
  async deleteTopic(topic) {
    for await (const { key } of this.#store.list(`${this.#prefix}/${topic}/`)) await this.#store.delete(key)
  }

  /** @param {LogName} name */
  #place({ topic, partition }) {
    return { prefix: this.#prefix, topic, partition }
  }
}

/**
 * Opens a store: a directory, or `s3://BUCKET/PREFIX`.
 *
 * @param {FileSystem} fs
 * @param {string} place
 * @returns {Promise<ObjectStore>}
 */
export async function openStore(fs, place) {
  if (!place.startsWith('s3://')) return new DirectoryObjectStore(fs, resolve(place))
  const { parseS3Url, S3ObjectStore } = await import('@sq/archive/s3')
  return S3ObjectStore.open(parseS3Url(place))
}
