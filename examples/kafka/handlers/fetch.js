/** Fetch: batches of several partitions, and waiting for more if there are too few. */
import { ClosedError, LogNotFoundError, OffsetOutOfRangeError, WalError } from '@sq/storage'
import { ERROR } from '../protocol/errors.js'
import { placed } from '../protocol/record-batch.js'
import { Refusal } from '../refusal.js'

/** @typedef {import('../protocol/errors.js').ErrorCode} ErrorCode */
/** @typedef {import('../log/topics.js').Topics} Topics */
/** @typedef {import('../log/partition.js').Partition} Partition */

/** There are no elections, so all batches are of the first leader. */
export const LEADER_EPOCH = 0
/** The longest that a Fetch waits for more: what it has fetched so far takes memory. */
const MAX_WAIT_MS = 30_000

/**
 * @param {Topics} topics
 * @param {{ maxFetchBytes: number, maxMessageBytes: number, clock: import('@sq/sim').Clock }} options
 * @returns {import('../protocol/calls.js').Handler<'Fetch'>}
 */
export function fetchHandler(topics, { maxFetchBytes, maxMessageBytes, clock }) {
  return async (request, { signal, reservation }) => {
    // Without sessions, each request names all its partitions, and each answer has all of them.
    if (request.sessionId !== 0) return { errorCode: ERROR.FETCH_SESSION_ID_NOT_FOUND, responses: [] }
    const maxBytes = Math.min(Math.max(request.maxBytes, 1), maxFetchBytes)
    const parts = request.topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map((partition) => new FetchedPartition(topics, topic, partition)),
    }))
    const fetch = new Fetch(
      parts.flatMap(({ partitions }) => partitions),
      { maxBytes, maxMessageBytes, reservation },
    )
    const deadlineMs = clock.monotonic() + Math.min(request.maxWaitMs, MAX_WAIT_MS)
    await fetch.until(Math.min(request.minBytes, maxBytes), deadlineMs, { clock, signal })
    return {
      responses: parts.map(({ topic, partitions }) => ({ topic, partitions: partitions.map((part) => part.answer()) })),
    }
  }
}

/** The partitions of a request, and what has been fetched of all. */
class Fetch {
  #partitions
  #limits
  #bytes = 0

  /**
   * @param {readonly FetchedPartition[]} partitions
   * @param {object} limits
   * @param {number} limits.maxBytes of the answer, and one batch more
   * @param {number} limits.maxMessageBytes of a batch
   * @param {import('../answer-memory.js').Reservation} limits.reservation
   */
  constructor(partitions, limits) {
    this.#partitions = partitions
    this.#limits = limits
  }

  /**
   * Fetches until there are enough bytes, or a partition has an error, or the time has come, or the signal is aborted,
   * or other answers take all memory.
   *
   * @param {number} minBytes
   * @param {number} deadlineMs of the monotonic clock
   * @param {{ clock: import('@sq/sim').Clock, signal: AbortSignal }} wait
   */
  async until(minBytes, deadlineMs, { clock, signal }) {
    for (;;) {
      if (!(await this.#fetchOnce(signal))) return
      const leftMs = Math.ceil(deadlineMs - clock.monotonic())
      if (this.#bytes >= minBytes || leftMs <= 0 || signal.aborted) return
      if (this.#partitions.some(({ errorCode }) => errorCode !== ERROR.NONE)) return
      if (!(await this.#more(leftMs, signal))) return
    }
  }

  /**
   * Fetches what is there, as far as there is memory for it: at least one batch, even if it is longer than the client
   * allows, because it could not go on without it. Resolves with false if there is no memory for more than it has.
   *
   * @param {AbortSignal} signal
   */
  async #fetchOnce(signal) {
    const { maxBytes, maxMessageBytes, reservation } = this.#limits
    const leastBytes = this.#bytes + 1 + maxMessageBytes
    const reserved = await reservation.reserve({ leastBytes, mostBytes: maxBytes + maxMessageBytes }, signal)
    if (reserved === 0) return false
    for (const partition of this.#partitions) {
      const left = Math.max(reserved - maxMessageBytes, 1) - this.#bytes
      if (left > 0) this.#bytes += await partition.fetch(left)
    }
    // While it waits for more, it holds only what it has.
    reservation.set(this.#bytes)
    return true
  }

  /**
   * Waits until one of the partitions has more. Resolves with false if none had within the time.
   *
   * @param {number} maxWaitMs
   * @param {AbortSignal} signal
   */
  async #more(maxWaitMs, signal) {
    const enough = new AbortController()
    const either = AbortSignal.any([enough.signal, signal])
    const open = this.#partitions.filter((partition) => !partition.isFull)
    const waiting = open.map((partition) => partition.hasMore({ maxWaitMs, signal: either }))
    try {
      return waiting.length > 0 && (await Promise.race(waiting))
    } finally {
      enough.abort()
      await Promise.all(waiting)
    }
  }
}

/** One partition of a request, and what has been fetched of it so far. */
class FetchedPartition {
  #index
  #maxBytes
  /** @type {Partition | null} */
  #partition = null
  #next
  #bytes = 0
  /** @type {Uint8Array[]} */
  #records = []
  /** @type {ErrorCode} */
  errorCode = ERROR.NONE

  /**
   * @param {Topics} topics
   * @param {string} topic
   * @param {{ partition: number, fetchOffset: bigint, partitionMaxBytes: number }} wanted
   */
  constructor(topics, topic, { partition, fetchOffset, partitionMaxBytes }) {
    this.#index = partition
    this.#maxBytes = Math.max(partitionMaxBytes, 1)
    this.#next = fetchOffset
    try {
      this.#partition = topics.partition(topic, partition)
    } catch (error) {
      this.errorCode = fetchErrorOf(error)
    }
  }

  /** Whether the client takes no more of it in this answer. */
  get isFull() {
    return this.#bytes >= this.#maxBytes
  }

  /**
   * Fetches what is there, at least one batch if there is one, and resolves with its bytes.
   *
   * @param {number} maxBytes
   */
  async fetch(maxBytes) {
    if (this.#partition === null || this.errorCode !== ERROR.NONE || this.isFull) return 0
    const before = this.#bytes
    const limit = Math.min(maxBytes, this.#maxBytes - before)
    try {
      if (this.#next < 0n || this.#next > this.#partition.logEndOffset) {
        throw new Refusal(ERROR.OFFSET_OUT_OF_RANGE, `there is no offset ${this.#next}`)
      }
      const { batches, nextOffset } = await this.#partition.reader.fetch({ from: this.#next, maxBytes: limit })
      for (const { payload, baseOffset } of batches) {
        if (payload === null) throw new TypeError(`the batch at offset ${baseOffset} is none of a producer`)
        this.#records.push(...placed(payload, { baseOffset, leaderEpoch: LEADER_EPOCH }))
        this.#bytes += payload.length
      }
      this.#next = nextOffset
    } catch (error) {
      this.errorCode = fetchErrorOf(error)
    }
    return this.#bytes - before
  }

  /**
   * Resolves with true when the next offset is there, and with false when the time is up or the signal is aborted.
   *
   * @param {{ maxWaitMs: number, signal: AbortSignal }} wait
   */
  async hasMore({ maxWaitMs, signal }) {
    if (this.#partition === null) return false
    try {
      return await this.#partition.reader.waitFor(this.#next, { maxWaitMs, signal })
    } catch (error) {
      if (error === signal.reason) return false
      // The next fetch finds out what it is.
      return true
    }
  }

  answer() {
    const highWatermark = this.#partition?.logEndOffset ?? -1n
    return {
      partitionIndex: this.#index,
      errorCode: this.errorCode,
      highWatermark,
      lastStableOffset: highWatermark,
      logStartOffset: this.#partition?.logStartOffset ?? -1n,
      abortedTransactions: [],
      records: this.#records,
    }
  }
}

/**
 * Throws what is a fault of the program.
 *
 * @param {unknown} error
 * @returns {ErrorCode}
 */
function fetchErrorOf(error) {
  if (error instanceof Refusal) return error.errorCode
  if (error instanceof OffsetOutOfRangeError) return ERROR.OFFSET_OUT_OF_RANGE
  if (error instanceof ClosedError || error instanceof LogNotFoundError) return ERROR.UNKNOWN_TOPIC_OR_PARTITION
  if (error instanceof WalError) return ERROR.KAFKA_STORAGE_ERROR
  throw error
}
