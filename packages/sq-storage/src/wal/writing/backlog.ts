/** The appends of a writer that wait to become durable, and the callers that wait for room for more. */
import { BacklogFullError } from '../../errors.ts'
import type { ResolvedWalConfig } from '../../config.ts'
import type { Ending, Waker } from '../shared/waker.ts'
import type { QueuedBacklog, SharedLimits } from './shared-limits.ts'

/** The cost of a waiting append in addition to its bytes: a promise, its functions, a place in a list. */
export const APPEND_ALLOWANCE_BYTES = 256
/** More than what the format adds to a record or batch of the largest size, and its metadata. */
const LARGEST_ADDITION_BYTES = 128 * 1024

/** A caller that waits for room for an append of this size, or of any size if it is null. */
interface Waiting {
  readonly bytes: number | null
  readonly waker: Waker
}

/** Ends the waiting of all callers of a writer that is closed. `Backlog.close` wakes them. */
class Closing implements Ending {
  failure: { readonly reason: unknown } | null = null
  add(): void {}
  delete(): void {}
}

export class Backlog implements QueuedBacklog {
  readonly #config: Pick<ResolvedWalConfig, 'maxPendingBytes' | 'maxBatchBytes'>
  readonly #shared: SharedLimits
  #bytes = 0
  readonly #waiting = new Set<Waiting>()
  readonly #closing = new Closing()

  /** The limits in `config` may change. */
  constructor(config: Pick<ResolvedWalConfig, 'maxPendingBytes' | 'maxBatchBytes'>, shared: SharedLimits) {
    this.#config = config
    this.#shared = shared
  }

  /** The bytes that waiting appends count for in `maxPendingBytes`. */
  get bytes(): number {
    return this.#bytes
  }

  /** What an append of this many bytes counts for. Throws a `BacklogFullError` if it would exceed a limit. */
  costOf(bytes: number): number {
    const neededBytes = bytes + APPEND_ALLOWANCE_BYTES
    if (!this.#hasRoom(neededBytes)) {
      const { maxPendingBytes } = this.#config
      throw new BacklogFullError({ limit: 'writer', pendingBytes: this.#bytes, maxPendingBytes, neededBytes })
    }
    if (!this.#shared.hasRoom(neededBytes)) {
      const { pendingBytes, maxPendingBytes } = this.#shared
      throw new BacklogFullError({ limit: 'shared', pendingBytes, maxPendingBytes, neededBytes })
    }
    return neededBytes
  }

  /** An append waits. */
  add(cost: number): void {
    this.#bytes += cost
    this.#shared.add(cost)
  }

  /** Appends have succeeded or failed. */
  remove(cost: number): void {
    this.#bytes -= cost
    if (this.#waiting.size > 0) this.#shared.enqueue(this)
    this.#shared.remove(cost)
  }

  /**
   * Resolves when there is room for an append of this size, or of any record or batch if it is null, and the callers
   * that came before have had their turn. Rejects when the waker fails, or with the error of `close`.
   */
  async whenRoom(bytes: number | null, waker: Waker): Promise<void> {
    waker.endBy(this.#closing)
    waker.throwIfFailed()
    const waiting = { bytes, waker }
    this.#waiting.add(waiting)
    const woken = waker.wait()
    this.#shared.enqueue(this)
    await woken
    // If it was ended, the caller behind it is the next one.
    if (this.#waiting.delete(waiting)) this.#shared.enqueue(this)
    waker.throwIfFailed()
  }

  /** The limits have changed. */
  configured(): void {
    if (this.#waiting.size > 0) this.#shared.enqueue(this)
  }

  /** Nothing more is appended: the callers that wait get this error. */
  close(reason: unknown): void {
    this.#closing.failure ??= { reason }
    for (const { waker } of this.#waiting) waker.wake()
  }

  get wantedBytes(): number | null {
    for (const { bytes } of this.#waiting) {
      const wanted = bytes ?? this.#largestBytes
      return this.#hasRoom(wanted) ? wanted : null
    }
    return null
  }

  serve(): boolean {
    for (const waiting of this.#waiting) {
      this.#waiting.delete(waiting)
      waiting.waker.wake()
      break
    }
    return this.#waiting.size > 0
  }

  get #largestBytes(): number {
    return this.#config.maxBatchBytes + LARGEST_ADDITION_BYTES
  }

  #hasRoom(bytes: number): boolean {
    return this.#bytes === 0 || this.#bytes + bytes <= this.#config.maxPendingBytes
  }
}
