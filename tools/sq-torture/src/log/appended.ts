/** What is known of the records that were acknowledged: their timestamps, and the batches that were encoded. */
import type { EncodedBatch, WalReader } from '@sq/storage'
import { Violation } from '../history.ts'

export class Appended {
  /** By offset. */
  readonly #timestampsMs: (number | undefined)[] = []
  /** Encoded batches that were acknowledged, and not truncated since. */
  #batches: EncodedBatch[] = []

  add(offset: number, timestampMs: number): void {
    this.#timestampsMs[offset] = timestampMs
  }

  addBatch(batch: EncodedBatch): void {
    this.#batches.push(batch)
  }

  /** 0 if it is not known. */
  timestampMs(offset: number): number {
    return this.#timestampsMs[offset] ?? 0
  }

  /** What is known of records from an offset on no longer holds. */
  forgetFrom(offset: number): void {
    this.#timestampsMs.splice(offset)
    this.#batches = this.#batches.filter(({ baseOffset, recordCount }) => Number(baseOffset) + recordCount <= offset)
  }

  /** Encoded batches that were acknowledged must be batches of the log, the same to the byte. */
  async check(reader: WalReader, firstOffset: number): Promise<void> {
    const found = new Map<bigint, EncodedBatch>()
    for await (const batch of reader.readBatches()) found.set(batch.baseOffset, batch)
    for (const appended of this.#batches) {
      const { baseOffset } = appended
      if (baseOffset < firstOffset) continue
      const batch = found.get(baseOffset)
      if (batch !== undefined && areSame(batch, appended)) continue
      throw new Violation(`1: the batch that was appended at offset ${baseOffset} differs from the one in the log`)
    }
  }
}

function areSame(left: EncodedBatch, right: EncodedBatch): boolean {
  const isHeaderSame =
    left.recordCount === right.recordCount && left.attributes === right.attributes && left.checksum === right.checksum
  return isHeaderSame && Buffer.compare(left.bytes, right.bytes) === 0
}
