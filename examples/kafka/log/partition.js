/** One partition: its log, and the producers that write to it. */
import { ClosedError, WalReader, WalWriter } from '@sq/storage'
import { producerOf } from '../protocol/record-batch.js'
import { ProducerSnapshot } from './producer-snapshot.js'
import { Producers } from './producers.js'

/** @typedef {import('../protocol/record-batch.js').ProducedBatch} ProducedBatch */
/**
 * @typedef {object} LogPlace
 * @property {import('@sq/sim').FileSystem} fs
 * @property {import('@sq/storage').WalConfig} config
 * @property {import('@sq/storage').SharedLimits} limits of all logs together
 * @property {import('@sq/sim').Clock} clock
 */
/**
 * @typedef {LogPlace & { snapshots: string, onError: (error: unknown) => void }} PartitionPlace
 *   with the directory of the snapshots of producers, and what is called when one cannot be used or written
 */

export class Partition {
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
   * @param {{ writer: WalWriter, reader: WalReader }} log
   * @param {{ producers: Producers, snapshotOffset: bigint }} state
   * @param {{ snapshot: ProducerSnapshot, onError: (error: unknown) => void }} options
   */
  constructor({ writer, reader }, { producers, snapshotOffset }, { snapshot, onError }) {
    this.#writer = writer
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
  static async open({ fs, config, limits, clock, snapshots, onError }, { topic, index, create }) {
    /** @type {Partition | null} */
    let partition = null
    const onSegmentClosed = () => {
      if (partition !== null) partition.#takeSnapshot()
    }
    const writer = await WalWriter.open(fs, config, topic, index, { create, limits, clock, onSegmentClosed })
    try {
      const reader = await WalReader.open(fs, config, topic, index, { clock })
      const options = { snapshot: new ProducerSnapshot(fs, snapshots, { topic, index }), onError }
      const { offset, producers } = await usableSnapshot(writer, options)
      const state = { producers: await producersIn(reader, offset, producers), snapshotOffset: offset }
      partition = new Partition({ writer, reader }, state, options)
      return partition
    } catch (error) {
      await writer.close()
      throw error
    }
  }

  get logStartOffset() {
    return this.#writer.logStartOffset
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

  /** @param {bigint} before the log start offset from now on */
  deleteRecords(before) {
    return this.#writer.deleteRecords(before)
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
    await this.#writer.close()
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
 * @param {WalWriter} writer
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
 * @param {WalReader} reader
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
