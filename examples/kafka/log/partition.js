/** One partition: its log, and the producers that write to it. */
import { ClosedError } from '@sq/storage'
import { ERROR } from '../protocol/errors.js'
import { producerOf } from '../protocol/record-batch.js'
import { Refusal } from '../refusal.js'
import { BrokerLog } from './broker-log.js'
import { ProducerSnapshot } from './producer-snapshot.js'
import { Producers } from './producers.js'

/** @typedef {import('../protocol/record-batch.js').ProducedBatch} ProducedBatch */
/** @typedef {import('@sq/storage').WalReader | import('@sq/archive').TieredReader} Reader */
/**
 * @typedef {import('./broker-log.js').LogPlace & { snapshots: string }} PartitionPlace
 *   with the directory of the snapshots of producers
 */

export class Partition {
  #log
  #writer
  #producers
  #snapshot
  #onError
  /** Up to where a start need not read the log. */
  #snapshotOffset
  /** Resolves when the snapshots so far are written, or have failed. @type {Promise<void>} */
  #snapshotWritten = Promise.resolve()
  /** Resolves when the batches so far have been handed to the log, or refused. @type {Promise<unknown>} */
  #turn = Promise.resolve()
  /** The last append. @type {Promise<unknown>} */
  #last = Promise.resolve()
  #failures = 0

  /**
   * @param {{ log: BrokerLog, reader: Reader }} opened
   * @param {{ producers: Producers, snapshotOffset: bigint }} state
   * @param {{ snapshot: ProducerSnapshot, onError: (error: unknown) => void }} options
   */
  constructor({ log, reader }, { producers, snapshotOffset }, { snapshot, onError }) {
    this.#log = log
    this.#writer = log.writer
    this.reader = reader
    this.#producers = producers
    this.#snapshotOffset = snapshotOffset
    this.#snapshot = snapshot
    this.#onError = onError
  }

  /**
   * Opens the log, and finds out what its producers have sent: from the snapshot and the batches after it.
   *
   * @param {PartitionPlace} place
   * @param {{ topic: string, index: number, create: boolean }} which
   */
  static async open(place, { topic, index, create }) {
    const { fs, snapshots, onError } = place
    /** @type {Partition | null} */
    let partition = null
    const onSegmentClosed = () => {
      if (partition !== null) partition.#takeSnapshot()
    }
    const name = { topic, partition: index }
    const log = await BrokerLog.open(place, name, { create, isTiered: true, onSegmentClosed })
    try {
      const reader = await log.openReader()
      const options = { snapshot: new ProducerSnapshot(fs, snapshots, { topic, index }), onError }
      const { offset, producers } = await usableSnapshot(log.writer, options)
      const state = { producers: await producersIn(reader, offset, producers), snapshotOffset: offset }
      partition = new Partition({ log, reader }, state, options)
      return partition
    } catch (error) {
      await log.close()
      throw error
    }
  }

  get logStartOffset() {
    return this.#log.logStartOffset
  }

  /** Looks up the log start offset, which changes when the archive is shortened. */
  findStart() {
    return this.#log.findStart(this.reader)
  }

  /** The high watermark: everything before it is durable. */
  get logEndOffset() {
    return this.#writer.logEndOffset
  }

  /**
   * Appends a batch as it came, and resolves with its offset once it is durable. Batches are appended in the order of
   * the calls. Waits while the backlog of the log is full. A batch that was sent again is not appended again: this
   * resolves with the offset that it has. Rejects with a `Refusal` for a batch of a producer that is not its next one,
   * and otherwise as `appendOpaque` does.
   *
   * @param {ProducedBatch} batch
   */
  append(batch) {
    const placed = this.#turn.then(() => this.#place(batch))
    this.#turn = placed.catch(() => {})
    return placed.then(({ baseOffset }) => baseOffset)
  }

  /**
   * Rejects with a `Refusal` if the partition is archived.
   *
   * @param {bigint} before the log start offset from now on
   */
  async deleteRecords(before) {
    if (this.#log.isArchived) throw new Refusal(ERROR.INVALID_REQUEST, 'records in the archive cannot be deleted')
    await this.#writer.deleteRecords(before)
  }

  /**
   * Deletes the oldest segments, as far as the limits allow it. Does nothing if the partition is closed meanwhile.
   *
   * @param {import('@sq/storage').RetentionPolicy} policy
   */
  async deleteExpired(policy) {
    try {
      await this.#writer.deleteSegments(policy)
    } catch (error) {
      if (!(error instanceof ClosedError)) throw error
    }
  }

  stats() {
    return this.#writer.stats()
  }

  /** Ends the fetches that wait, and resolves once everything appended so far is durable. */
  async close() {
    await this.reader.close()
    this.#takeSnapshot()
    await this.#snapshotWritten
    await this.#log.close()
  }

  /** Writes down the producers, in the turn of a batch. If that fails, the snapshot before stays: more is read then. */
  #takeSnapshot() {
    const taken = this.#turn.then(async () => {
      // Then everything before the end of the log is durable, and nothing after it is under way.
      await Promise.allSettled([this.#last])
      return { offset: this.#writer.logEndOffset, producers: this.#producers.known() }
    })
    this.#turn = taken.catch(() => {})
    this.#snapshotWritten = this.#snapshotWritten.then(async () => this.#write(await taken)).catch(this.#onError)
  }

  /** @param {import('./producer-snapshot.js').Snapshot} state */
  async #write(state) {
    if (state.offset === this.#snapshotOffset) return
    await this.#snapshot.write(state)
    this.#snapshotOffset = state.offset
  }

  /**
   * Hands a batch to the log. The offset is in an object, because it is not awaited here: the next batch need not wait.
   *
   * @param {ProducedBatch} batch
   * @returns {Promise<{ baseOffset: Promise<bigint> }>}
   */
  async #place({ bytes, recordCount, minTimestampMs, maxTimestampMs, producer }) {
    await this.#writer.ready()
    // What a failed commit held is rejected a moment after the commit. Until then, its producers look as if they had
    // not to send it again.
    while (this.#failures !== this.#writer.stats().failedCommits) {
      this.#failures = this.#writer.stats().failedCommits
      await Promise.allSettled([this.#last])
      await this.#writer.ready()
    }
    const before = producer === null ? null : this.#producers.find(producer)
    if (before !== null) return { baseOffset: before }
    const baseOffset = this.#writer.appendOpaque({ payload: bytes, recordCount, minTimestampMs, maxTimestampMs })
    this.#last = baseOffset
    // The caller gets the rejection, too, but later.
    baseOffset.catch(() => {})
    if (producer !== null) this.#producers.add(producer, baseOffset)
    return { baseOffset }
  }
}

/**
 * The snapshot, or an empty one at the start of the log if there is none that fits. One from before the start lacks
 * batches that are deleted: it would refuse what follows them. One from after the end is of a log that has lost records
 * since, and must not be taken for its own when it has grown again.
 *
 * @param {import('@sq/storage').WalWriter} writer
 * @param {{ snapshot: ProducerSnapshot, onError: (error: unknown) => void }} options
 * @returns {Promise<import('./producer-snapshot.js').Snapshot>}
 */
async function usableSnapshot({ logStartOffset, logEndOffset }, { snapshot, onError }) {
  const found = await snapshot.read().catch(onError)
  if (found && found.offset >= logStartOffset && found.offset <= logEndOffset) return found
  if (found) await snapshot.remove()
  return { offset: logStartOffset, producers: [] }
}

/**
 * @param {Reader} reader
 * @param {bigint} from
 * @param {import('./producers.js').KnownProducer[]} known what producers have sent before
 */
async function producersIn(reader, from, known) {
  const producers = new Producers(known)
  for await (const { payload, baseOffset } of reader.readBatches({ from })) {
    const producer =
      payload === null ? null : producerOf(Buffer.from(payload.buffer, payload.byteOffset, payload.length))
    if (producer !== null) producers.add(producer, Promise.resolve(baseOffset))
  }
  return producers
}
