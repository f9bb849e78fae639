/**
 * The leader: appends records, sends the batches to one replica, and shows consumers what the replica has confirmed.
 * The offset up to which it has is the high watermark.
 */
import { EventEmitter, once } from 'node:events'
import { Connection } from './connection.js'
import { MAX_REPLICA_FRAME_BYTES, ProtocolError, unexpected } from './wire.js'

/** @typedef {import('./log.js').Log} Log */

export class Leader {
  #log
  #epoch
  #highWatermark = 0n
  /** @type {Connection | null} */
  #replica = null
  /**
   * Appends that wait for the replica, in the order of their offsets.
   *
   * @type {Set<{ offset: bigint, done: () => void }>}
   */
  #waiting = new Set()
  #changes = new EventEmitter().setMaxListeners(0)

  /**
   * @param {Log} log
   * @param {number} epoch
   */
  constructor(log, epoch) {
    this.#log = log
    this.#epoch = epoch
  }

  /**
   * A leader of a log. Each leader must have a higher epoch than the one before it. Only one that continues after it
   * was killed, while no other was leader, may keep its epoch.
   *
   * @param {Log} log
   * @param {number} epoch from 1 to 2^32 - 1
   */
  static async of(log, epoch) {
    const last = await log.lastEpoch()
    if (epoch < last) throw new RangeError(`the log has batches of epoch ${last}, so it cannot lead in epoch ${epoch}`)
    return new Leader(log, epoch)
  }

  /** Consumers see the records before it: they are durable here and on the replica. It never goes back. */
  get highWatermark() {
    return this.#highWatermark
  }

  /**
   * Appends a batch. Resolves with the offset after it once it is durable here, which is no acknowledgement yet: await
   * `replicated` with this offset before you acknowledge it.
   *
   * @param {readonly import('@sq/storage').RecordInput[]} records
   */
  append(records) {
    return this.#log.append(records, this.#epoch)
  }

  /**
   * Resolves once everything before an offset is durable on both sides. Without a replica it waits. Call it in the
   * order in which the appends were made.
   *
   * @param {bigint} offset
   * @returns {Promise<void>}
   */
  replicated(offset) {
    if (offset <= this.#highWatermark) return Promise.resolve()
    return new Promise((done) => this.#waiting.add({ offset, done }))
  }

  /**
   * Batches for a consumer, up to the high watermark, and more as it advances. A signal ends it with an `AbortError`.
   *
   * @param {bigint} from
   * @param {AbortSignal} signal
   */
  async *read(from, signal) {
    let next = from
    for (;;) {
      const to = this.#highWatermark
      if (next >= to) await once(this.#changes, 'advance', { signal })
      else {
        for await (const batch of this.#log.reader.readBatches({ from: next, to, exact: true, signal })) {
          yield batch
          next = batch.nextOffset
        }
      }
    }
  }

  /**
   * Serves one replica until the connection ends, and rejects with the reason if it was not ended by the replica. A new
   * connection replaces the one before it, which may be dead without anyone having noticed.
   *
   * @param {import('node:stream').Duplex} stream
   */
  async serve(stream) {
    const replica = new Connection(stream, { maxFrameBytes: MAX_REPLICA_FRAME_BYTES })
    this.#replica?.close()
    this.#replica = replica
    /** @type {Promise<void> | null} */
    let sending = null
    try {
      const [startOffset, { endOffset }] = [await this.#log.startOffset(), this.#log]
      await replica.send({ type: 'leader', epoch: this.#epoch, startOffset, endOffset })
      for await (const message of replica.messages) {
        if (message.type === 'compare' && sending === null) {
          await replica.send({ type: 'compared', same: await this.#log.has(message.batch) })
        } else if (message.type === 'start' && sending === null) {
          this.#confirm(message.offset)
          sending = this.#sendFrom(message.offset, replica)
          sending.catch((error) => replica.close(error))
        } else if (message.type === 'durable' && sending !== null) {
          this.#confirm(message.endOffset)
        } else throw unexpected(message)
      }
    } finally {
      replica.close()
      await Promise.allSettled([sending])
    }
  }

  /** Disconnects the replica. The log stays open. */
  close() {
    this.#replica?.close()
  }

  /**
   * Sends every batch from an offset on, also those that are still to come. If the replica does not keep up, it waits.
   *
   * @param {bigint} from
   * @param {Connection} replica
   */
  async #sendFrom(from, replica) {
    const options = { from, follow: true, exact: true, signal: replica.closed }
    for await (const batch of this.#log.reader.readBatches(options)) await replica.send({ type: 'batch', batch })
  }

  /** @param {bigint} offset everything before it is durable on the replica */
  #confirm(offset) {
    const { endOffset } = this.#log
    if (offset > endOffset) throw new ProtocolError(`the replica confirmed ${offset}, and the log ends at ${endOffset}`)
    if (offset <= this.#highWatermark) return
    this.#highWatermark = offset
    for (const append of this.#waiting) {
      if (append.offset > offset) break
      this.#waiting.delete(append)
      append.done()
    }
    this.#changes.emit('advance')
  }
}
