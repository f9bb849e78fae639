/** One partition: its log, and the producers that write to it. */
import { ClosedError, WalReader, WalWriter } from '@sq/storage'
import { producerOf } from '../protocol/record-batch.js'
import { Producers } from './producers.js'

/** @typedef {import('../protocol/record-batch.js').ProducedBatch} ProducedBatch */
/**
 * @typedef {object} LogPlace
 * @property {import('@sq/sim').FileSystem} fs
 * @property {import('@sq/storage').WalConfig} config
 * @property {import('@sq/storage').SharedLimits} limits of all logs together
 * @property {import('@sq/sim').Clock} clock
 */

export class Partition {
  #writer
  #producers
  /** Resolves when the batches so far have been handed to the log, or refused. @type {Promise<unknown>} */
  #turn = Promise.resolve()
  /** The last append. @type {Promise<unknown>} */
  #last = Promise.resolve()
  #failures = 0

  /**
   * @param {WalWriter} writer
   * @param {WalReader} reader
   * @param {Producers} producers
   */
  constructor(writer, reader, producers) {
    this.#writer = writer
    this.reader = reader
    this.#producers = producers
  }

  /**
   * Opens the log, and finds in it what its producers have sent.
   *
   * @param {LogPlace} place
   * @param {{ topic: string, index: number, create: boolean }} which
   */
  static async open({ fs, config, limits, clock }, { topic, index, create }) {
    const writer = await WalWriter.open(fs, config, topic, index, { create, limits, clock })
    try {
      const reader = await WalReader.open(fs, config, topic, index, { clock })
      return new Partition(writer, reader, await producersIn(reader))
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
    await this.#turn
    await this.#writer.close()
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

/** @param {WalReader} reader */
async function producersIn(reader) {
  const producers = new Producers()
  for await (const { payload, baseOffset } of reader.readBatches()) {
    const producer =
      payload === null ? null : producerOf(Buffer.from(payload.buffer, payload.byteOffset, payload.length))
    if (producer !== null) producers.add(producer, Promise.resolve(baseOffset))
  }
  return producers
}
