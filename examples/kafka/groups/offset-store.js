/**
 * The committed offsets of all groups, in a log of their own. A record is one commit, or a deletion; the
 * offsets are what all records in their order say. When the log has grown, all offsets are appended once more, and the
 * segments before are deleted. A stop between any two steps changes nothing: some offsets are there twice.
 */
import { SystemClock } from '@sq/sim'
import { AppendFailedError, BacklogFullError, ClosedError, WalReader } from '@sq/storage'
import { BrokerLog } from '../log/broker-log.js'
import { ERROR } from '../protocol/errors.js'
import { decodeChange, encodeChange, OffsetTable } from './offset-table.js'
import { Refusal } from '../refusal.js'

/** @typedef {import('./offset-table.js').Commit} Commit */
/** @typedef {import('./offset-table.js').Deletion} Deletion */

/**
 * @typedef {object} OffsetStoreOptions
 * @property {import('@sq/sim').Clock} [clock]
 * @property {number} [maxOffsetBytes] about what the offsets may take in memory; default 64 MiB
 * @property {number} [compactAfterBytes] the log is compacted when it has grown by this and by its last compacted size;
 *   default 16 MiB
 * @property {import('../log/archive.js').Archive | null} [archive] of the log; default null
 * @property {(error: unknown) => void} [onError] called when compacting fails; it is tried again after more commits
 */

/** No topic of a client has such a name, so metrics and errors of the two are told apart. */
const TOPIC = '__committed-offsets'
const MIB = 1024 * 1024
export const MAX_RECORD_BYTES = MIB
/** Groups whose deletion is one record: their names fit into it. */
const DELETED_AT_ONCE = 500

export class OffsetStore {
  #log
  #writer
  #table
  #options
  /** What commits that are not durable yet will add to the table. */
  #pendingBytes = 0
  /** While the log is compacted, commits wait. @type {Promise<void> | null} */
  #compacting = null
  #bytesSinceCompacted
  #compactedBytes = 0
  /** When a group with offsets was used for the last time, as far as it was seen, by the monotonic clock. @type {Map<string, number>} */
  #usedMs = new Map()

  /**
   * @param {BrokerLog} log
   * @param {{ table: OffsetTable, logBytes: number, options: Required<OffsetStoreOptions> }} state
   */
  constructor(log, { table, logBytes, options }) {
    this.#log = log
    this.#writer = log.writer
    this.#table = table
    this.#options = options
    this.#bytesSinceCompacted = logBytes
  }

  /**
   * Opens the log in a data directory, and reads all of it.
   *
   * @param {import('@sq/sim').FileSystem} fs
   * @param {string} dataDir
   * @param {OffsetStoreOptions} [options]
   */
  static async open(fs, dataDir, options = {}) {
    const { clock = new SystemClock(), maxOffsetBytes = 64 * MIB, compactAfterBytes = 16 * MIB } = options
    const { archive = null, onError = console.error } = options
    const config = { dataDir, maxRecordBytes: MAX_RECORD_BYTES }
    const log = await BrokerLog.open({ fs, config, clock, archive, onError }, { topic: TOPIC, partition: 0 })
    try {
      const { table, logBytes } = await replay(fs, config)
      const all = { clock, maxOffsetBytes, compactAfterBytes, archive, onError }
      return new OffsetStore(log, { table, logBytes, options: all })
    } catch (error) {
      await log.close()
      throw error
    }
  }

  /**
   * The offsets that a group has committed. Only what would survive a power cut.
   *
   * @param {string} group
   */
  of(group) {
    return this.#table.of(group)
  }

  /** The groups that have committed offsets. */
  get groups() {
    return this.#table.groups
  }

  /** The topics for which there are offsets. After a crash between the deletion of a topic and that of its offsets, it is still here. */
  get topics() {
    return this.#table.topics
  }

  /**
   * Resolves once the offsets are durable, all of them or none. Throws a `Refusal`.
   *
   * @param {Commit} commit
   */
  async commit(commit) {
    await this.#append(commit, () => this.#table.growth(commit))
  }

  /**
   * Deletes the offsets of topics for all groups, and resolves once that is durable. Call it after the topics
   * themselves are gone, so that no commit for them can follow, and for `topics` that are gone when the broker starts.
   *
   * @param {string[]} names
   */
  async deleteTopics(names) {
    if (names.length > 0) await this.#append({ deletedTopics: names }, () => 0)
  }

  /**
   * Deletes the offsets of groups that were neither used nor committed for some time, and resolves once that is durable.
   * The time counts from the start of the broker, and from the last call that found the group used.
   *
   * @param {object} which
   * @param {number} which.idleMs
   * @param {(group: string) => boolean} which.isUsed
   */
  async deleteIdle({ idleMs, isUsed }) {
    const nowMs = this.#options.clock.monotonic()
    const groups = new Set(this.#table.groups)
    for (const group of this.#usedMs.keys()) if (!groups.has(group)) this.#usedMs.delete(group)
    for (const group of groups) if (!this.#usedMs.has(group) || isUsed(group)) this.#usedMs.set(group, nowMs)
    const isIdle = (/** @type {string} */ group) =>
      nowMs - (this.#usedMs.get(group) ?? nowMs) >= idleMs && !isUsed(group)
    for (;;) {
      while (this.#compacting !== null) await this.#compacting
      // Nothing happens between this and the append, so no commit is deleted that came before it.
      const deletedGroups = [...this.#table.groups].filter(isIdle).slice(0, DELETED_AT_ONCE)
      if (deletedGroups.length === 0) return
      await this.#append({ deletedGroups }, () => 0)
    }
  }

  /** Completes what has begun, and closes the log. */
  async close() {
    while (this.#compacting !== null) await this.#compacting
    await this.#log.close()
  }

  /**
   * @param {Commit | Deletion} change
   * @param {() => number} growth
   */
  async #append(change, growth) {
    const value = encodeChange(change)
    if (value.length > MAX_RECORD_BYTES) throw new Refusal(ERROR.INVALID_COMMIT_OFFSET_SIZE, 'the commit is too large')
    while (this.#compacting !== null) await this.#compacting
    const pendingBytes = Math.max(growth(), 0)
    const bytes = this.#table.bytes + this.#pendingBytes + pendingBytes
    if (pendingBytes > 0 && bytes > this.#options.maxOffsetBytes)
      throw new Refusal(ERROR.COORDINATOR_NOT_AVAILABLE, 'there is no memory for more offsets')
    this.#pendingBytes += pendingBytes
    if ('group' in change) this.#usedMs.set(change.group, this.#options.clock.monotonic())
    try {
      await this.#writer.append({ value, timestampMs: this.#options.clock.now() })
      // Appends resolve in the order of the log, so the table changes in the order in which it is read again.
      this.#table.apply(change)
      this.#bytesSinceCompacted += value.length
    } catch (error) {
      throw refusalOf(error)
    } finally {
      this.#pendingBytes -= pendingBytes
    }
    this.#compactIfGrown()
  }

  #compactIfGrown() {
    const { compactAfterBytes, onError } = this.#options
    const limit = Math.max(compactAfterBytes, this.#compactedBytes)
    if (this.#compacting !== null || this.#bytesSinceCompacted < limit) return
    this.#bytesSinceCompacted = 0
    this.#compacting = this.#compact()
      .catch(onError)
      .finally(() => (this.#compacting = null))
  }

  async #compact() {
    // This seals after all commits so far, so the table has them, and the copies of it do not undo any.
    await this.#writer.closeActiveSegment()
    const belowOffset = this.#writer.nextOffset
    let bytes = 0
    const [table, timestampMs] = [this.#table, this.#options.clock.now()]
    await this.#writer.appendAll(
      (function* records() {
        for (const commit of table.commits()) {
          const value = encodeChange(commit)
          bytes += value.length
          yield { value, timestampMs }
        }
      })(),
    )
    this.#compactedBytes = bytes
    await this.#log.deleteBelow(belowOffset)
  }
}

/**
 * Reads the whole log.
 *
 * @param {import('@sq/sim').FileSystem} fs
 * @param {import('@sq/storage').WalConfig} config
 */
async function replay(fs, config) {
  const table = new OffsetTable()
  const reader = await WalReader.open(fs, config, TOPIC, 0)
  let logBytes = 0
  try {
    for await (const { value } of reader.read()) {
      if (value === null) continue
      table.apply(decodeChange(value))
      logBytes += value.length
    }
  } finally {
    await reader.close()
  }
  return { table, logBytes }
}

/**
 * What a client may try again gets an error that says so.
 *
 * @param {unknown} error
 */
function refusalOf(error) {
  const isPassing = error instanceof AppendFailedError || error instanceof BacklogFullError
  return isPassing || error instanceof ClosedError ? new Refusal(ERROR.COORDINATOR_NOT_AVAILABLE, error.message) : error
}
