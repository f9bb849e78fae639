/**
 * The idempotent producers of a partition: which sequence each must send next, and where its last batches are, so that
 * one that is sent again is acknowledged and not appended again.
 */
import { ERROR } from '../protocol/errors.js'
import { SEQUENCES } from '../protocol/record-batch.js'
import { Refusal } from '../refusal.js'

/** @typedef {import('../protocol/record-batch.js').ProducerPosition} ProducerPosition */
/** A batch; `offset` is null until it is durable. @typedef {{ firstSequence: number, lastSequence: number, baseOffset: Promise<bigint>, offset: bigint | null }} RecentBatch */
/** @typedef {{ epoch: number, next: number, batches: RecentBatch[] }} Producer */
/** @typedef {{ firstSequence: number, lastSequence: number, baseOffset: bigint }} KnownBatch */
/** A producer as it is kept in a snapshot. @typedef {{ id: bigint, epoch: number, next: number, batches: KnownBatch[] }} KnownProducer */

/** Of those that are durable: a producer may have as many under way, so it may send as many again. */
const REMEMBERED_BATCHES = 5
/** Beyond it, the one that has been quiet for longest is forgotten. */
const MAX_PRODUCERS = 10_000

export class Producers {
  /** In the order of their last batches. @type {Map<bigint, Producer>} */
  #producers = new Map()

  /** @param {readonly KnownProducer[]} [known] */
  constructor(known = []) {
    for (const { id, epoch, next, batches } of known) {
      const durable = batches.map(({ baseOffset, ...sequences }) => {
        return { ...sequences, baseOffset: Promise.resolve(baseOffset), offset: baseOffset }
      })
      this.#producers.set(id, { epoch, next, batches: durable })
    }
  }

  /** What it takes to make these producers again. No append may be under way. @returns {KnownProducer[]} */
  known() {
    return Array.from(this.#producers, ([id, { epoch, next, batches }]) => ({
      id,
      epoch,
      next,
      batches: batches.map(({ firstSequence, lastSequence, offset }) => {
        if (offset === null) throw new TypeError(`a batch of producer ${id} is not durable yet`)
        return { firstSequence, lastSequence, baseOffset: offset }
      }),
    }))
  }

  get size() {
    return this.#producers.size
  }

  /**
   * The offset of the batch if it was appended before, which rejects if that append fails; null if it can be appended
   * now. Throws a `Refusal` if it is not the one that the producer must send next. A producer that is not known may
   * begin anywhere, because its batches may have been deleted.
   *
   * @param {ProducerPosition} position
   */
  find({ id, epoch, firstSequence, lastSequence }) {
    const known = this.#producers.get(id)
    if (known === undefined) return null
    if (epoch < known.epoch) {
      throw new Refusal(ERROR.INVALID_PRODUCER_EPOCH, `producer ${id} is at epoch ${known.epoch}, not ${epoch}`)
    }
    const next = epoch > known.epoch ? 0 : known.next
    if (epoch === known.epoch) {
      const same = known.batches.find((batch) => batch.firstSequence === firstSequence)
      if (same?.lastSequence === lastSequence) return same.baseOffset
    }
    if (firstSequence === next) return null
    throw new Refusal(
      ERROR.OUT_OF_ORDER_SEQUENCE_NUMBER,
      `producer ${id} must send sequence ${next}, not ${firstSequence}`,
    )
  }

  /**
   * Counts a batch that is being appended. If that fails, the producer must send it again, and all after it.
   *
   * @param {ProducerPosition} position
   * @param {Promise<bigint>} baseOffset
   */
  add({ id, epoch, firstSequence, lastSequence }, baseOffset) {
    let known = this.#producers.get(id)
    if (known === undefined || known.epoch !== epoch) known = { epoch, next: 0, batches: [] }
    this.#producers.delete(id)
    this.#producers.set(id, known)
    const batch = { firstSequence, lastSequence, baseOffset, offset: null }
    known.next = (lastSequence + 1) % SEQUENCES
    known.batches.push(batch)
    void settle(known, batch)
    const [oldest] = this.#producers.keys()
    if (this.#producers.size > MAX_PRODUCERS && oldest !== undefined) this.#producers.delete(oldest)
  }
}

/**
 * Waits for the append of a batch. Once it is durable, older ones need not be remembered. If it fails, it and those after
 * it, which have failed with it, must be sent again.
 *
 * @param {Producer} known
 * @param {RecentBatch} batch
 */
async function settle(known, batch) {
  try {
    batch.offset = await batch.baseOffset
    while (known.batches.length > REMEMBERED_BATCHES && known.batches[0]?.offset !== null) known.batches.shift()
  } catch {
    const at = known.batches.indexOf(batch)
    if (at === -1) return
    known.batches.length = at
    known.next = batch.firstSequence
  }
}
