/** The log of a leader or a replica: a writer and a reader of the same partition, and what the protocol asks of it. */
import { OffsetOutOfRangeError, WalReader, WalWriter } from '@sq/storage'
import { MAX_BATCH_BYTES } from './wire.js'

/** @typedef {import('@sq/storage').RecordBatch} RecordBatch */
/** @typedef {import('@sq/storage').RecordInput} RecordInput */

const TOPIC = 'events'
const EPOCH_BYTES = 4

export class Log {
  /**
   * @param {WalWriter} writer
   * @param {WalReader} reader
   */
  constructor(writer, reader) {
    this.writer = writer
    this.reader = reader
  }

  /**
   * @param {import('@sq/sim').FileSystem} fs
   * @param {import('@sq/storage').WalConfig} config
   */
  static async open(fs, config) {
    const bounded = { ...config, maxBatchBytes: MAX_BATCH_BYTES, maxRecordBytes: MAX_BATCH_BYTES }
    const writer = await WalWriter.open(fs, bounded, TOPIC, 0)
    return new Log(writer, await WalReader.open(fs, bounded, TOPIC, 0))
  }

  /** The offset after the last durable record. */
  get endOffset() {
    return this.writer.nextOffset
  }

  /** The offset of the first record; the log end offset if there is none. */
  async startOffset() {
    for await (const { baseOffset } of this.reader.readBatches({ maxRecords: 1 })) return baseOffset
    return this.endOffset
  }

  /**
   * The batch with the record at an offset, which the log must have.
   *
   * @param {bigint} offset
   */
  async batchAt(offset) {
    for await (const batch of this.reader.readBatches({ from: offset, maxRecords: 1 })) return batch
    throw new RangeError(`the log ends at offset ${this.endOffset}, and has no record at ${offset}`)
  }

  /**
   * Whether the log has this very batch. It may be a part of a larger one here: a log that begins in the middle of a
   * batch of its leader has only the second part of it.
   *
   * @param {import('./wire.js').BatchIdentity} batch
   */
  async has({ baseOffset, recordCount, attributes, checksum }) {
    const range = { from: baseOffset, to: baseOffset + BigInt(recordCount), exact: true }
    try {
      for await (const found of this.reader.readBatches(range)) {
        const isThere = found.baseOffset === baseOffset && found.recordCount === recordCount
        return isThere && found.attributes === attributes && found.checksum === checksum
      }
    } catch (error) {
      if (!(error instanceof OffsetOutOfRangeError)) throw error
    }
    return false
  }

  /** The epoch of the last batch; 0 if there is no batch. */
  async lastEpoch() {
    const isEmpty = (await this.startOffset()) === this.endOffset
    return isEmpty ? 0 : epochOf(await this.batchAt(this.endOffset - 1n))
  }

  /**
   * Appends records as one batch of an epoch. Resolves with the offset after them once they are durable.
   *
   * @param {readonly RecordInput[]} records
   * @param {number} epoch
   */
  async append(records, epoch) {
    const metadata = Buffer.alloc(EPOCH_BYTES)
    metadata.writeUInt32LE(epoch)
    return (await this.writer.appendBatch(records, { metadata })) + BigInt(records.length)
  }

  async close() {
    await this.reader.close()
    await this.writer.close()
  }
}

/**
 * The epoch of the leader that appended a batch.
 *
 * @param {RecordBatch} batch
 */
function epochOf({ metadata }) {
  return metadata?.length === EPOCH_BYTES ? Buffer.from(metadata).readUInt32LE() : 0
}
