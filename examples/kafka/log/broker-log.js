/** One log of the broker, with its archive if it has one. */
import { ArchiverClosedError } from '@sq/archive'
import { ClosedError, LogNotFoundError, WalReader, WalWriter } from '@sq/storage'

/** @typedef {import('./archive.js').LogName} LogName */
/**
 * @typedef {object} LogPlace
 * @property {import('@sq/sim').FileSystem} fs
 * @property {import('@sq/storage').WalConfig} config
 * @property {import('@sq/storage').SharedLimits} [limits] of all logs together
 * @property {import('@sq/sim').Clock} clock
 * @property {import('./archive.js').Archive | null} archive
 * @property {(error: unknown) => void} onError called when work fails that no caller waits for
 */
/**
 * @typedef {object} OpenOptions
 * @property {boolean} [create] whether the log may be created; default true
 * @property {boolean} [isTiered] whether the log is read from both places, so that only its newest segment is restored
 *   on a machine that does not have it; default false
 * @property {() => void} [onSegmentClosed]
 */

/** What is not archived so long after the log is closed waits for the next start. */
const CLOSE_WITHIN_MS = 10_000

export class BrokerLog {
  #place
  #name
  /** @type {import('@sq/archive').LogArchiver | null} */
  #archiver = null
  /** The log start offset in both places, as far as it was seen. */
  #startOffset = 0n
  /** The last deletion of old segments that waits for the archive. @type {Promise<void>} */
  #deleted = Promise.resolve()

  /**
   * @param {WalWriter} writer
   * @param {LogPlace} place
   * @param {LogName} name
   */
  constructor(writer, place, name) {
    this.writer = writer
    this.#place = place
    this.#name = name
    this.#archiver = place.archive?.attach(writer, name) ?? null
  }

  /**
   * Opens a log. One that is not on this machine is restored from the archive; if nothing of it is archived, it begins
   * empty.
   *
   * @param {LogPlace} place
   * @param {LogName} name
   * @param {OpenOptions} [options]
   */
  static async open(place, name, { create = true, isTiered = false, onSegmentClosed = () => {} } = {}) {
    const { fs, config, limits, clock, archive } = place
    const open = (/** @type {boolean} */ isCreated) =>
      WalWriter.open(fs, config, name.topic, name.partition, {
        create: isCreated,
        clock,
        ...(limits && { limits }),
        onSegmentClosed: (segment) => {
          archive?.onSegmentClosed(segment)
          onSegmentClosed()
        },
      })
    if (archive === null) return new BrokerLog(await open(create), place, name)
    try {
      return new BrokerLog(await open(false), place, name)
    } catch (error) {
      if (!(error instanceof LogNotFoundError)) throw error
    }
    await archive.restore(name, { isWhole: !isTiered })
    return new BrokerLog(await open(true), place, name)
  }

  get isArchived() {
    return this.#archiver !== null
  }

  /** The first offset that can be read. In the archive, it is the one that was seen last. */
  get logStartOffset() {
    return this.isArchived ? this.#startOffset : this.writer.logStartOffset
  }

  /** A reader of the log in both places. */
  async openReader() {
    const { fs, config, clock, archive } = this.#place
    const { topic, partition } = this.#name
    if (archive === null) return WalReader.open(fs, config, topic, partition, { clock })
    const reader = await archive.reader(this.#name)
    this.#startOffset = (await reader.bounds()).logStartOffset
    return reader
  }

  /**
   * Looks up the first offset that can be read.
   *
   * @param {Pick<WalReader, 'bounds'>} reader
   */
  async findStart(reader) {
    if (this.isArchived) this.#startOffset = (await reader.bounds()).logStartOffset
    return this.logStartOffset
  }

  /**
   * Resolves once a durable record survives the loss of this machine, if there is an archive; otherwise at once.
   *
   * @param {bigint} offset
   */
  async archived(offset) {
    if (this.#archiver === null) return
    await this.writer.closeActiveSegment()
    await this.#archiver.waitArchived(offset)
  }

  /**
   * Deletes segments that hold only offsets before this one, because the records from there on say the same. If there
   * is an archive, that waits until those are archived, and does not keep the caller waiting.
   *
   * @param {bigint} belowOffset
   */
  async deleteBelow(belowOffset) {
    if (this.#archiver === null) {
      await this.writer.deleteSegments({ belowOffset })
      return
    }
    const { logEndOffset } = this.writer
    this.#deleted = this.#deleted.then(() => this.#deleteArchived(belowOffset, logEndOffset))
  }

  /** Ends the archiving of the log, and then the log: what has ended is archived first, if the store answers. */
  async close() {
    try {
      await this.#endArchiving()
    } finally {
      await this.writer.close()
    }
  }

  async #endArchiving() {
    if (this.#archiver === null) return
    const isMore = this.writer.logEndOffset > this.#archiver.archivedOffset
    if (isMore) await this.writer.closeActiveSegment()
    const signal = AbortSignal.timeout(CLOSE_WITHIN_MS)
    await this.#archiver.close({ signal }).catch(this.#place.onError)
    await this.#deleted
  }

  /**
   * @param {bigint} belowOffset
   * @param {bigint} endOffset
   */
  async #deleteArchived(belowOffset, endOffset) {
    const { archive, onError } = this.#place
    if (archive === null || this.#archiver === null) return
    try {
      await this.archived(endOffset - 1n)
      await archive.deleteBelow(this.#name, belowOffset)
      await this.writer.deleteSegments({ belowOffset, keepFromOffset: this.#archiver.archivedOffset })
    } catch (error) {
      // They are deleted the next time. It is no failure that the log was closed meanwhile.
      if (!isClosed(error)) onError(error)
    }
  }
}

/** @param {unknown} error */
function isClosed(error) {
  return error instanceof ClosedError || error instanceof ArchiverClosedError
}
