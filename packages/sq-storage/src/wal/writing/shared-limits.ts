/** Limits that many writers share, and the order in which callers that wait for room get it. */
import { totalmem } from 'node:os'
import { constrainedMemory, nextTick } from 'node:process'
import { setImmediate } from 'node:timers'
import { checkOptions, wholeOption } from '../../config.ts'

/** The options of `SharedLimits`. */
export interface SharedLimitsOptions {
  /**
   * The limit of what waits to become durable in all writers together, counted as `maxPendingBytes` of a writer. An
   * append that would exceed it rejects immediately, but one is always accepted while nothing waits in any of them.
   * From 1 byte to 2^53 - 1.
   */
  readonly maxPendingBytes: number
}

const OPTIONS: ReadonlySet<string> = new Set<keyof SharedLimitsOptions>(['maxPendingBytes'])

/** After so many callers got room one after another, the event loop turns, so that commits and other code can run. */
const SERVED_PER_TURN = 100

/** The backlog of a writer, as the limits that it shares see it. */
export interface QueuedBacklog {
  /** What the first caller that waits wants to append, in bytes, if the writer's own limit has room; null otherwise. */
  readonly wantedBytes: number | null
  /** Tells that caller that there is room. Returns whether another one waits. */
  serve(): boolean
}

/**
 * Limits that many writers share, in addition to those of each. Pass one object to the writers as their option
 * `limits`. The writers of a thread that are given none share one whose `maxPendingBytes` is a quarter of the memory
 * that the process may use.
 *
 * @example
 * ```ts
 * const limits = new SharedLimits({ maxPendingBytes: 256 * 1024 * 1024 })
 * const writer = await WalWriter.open(fs, config, 'orders', 0, { limits })
 * console.log(limits.pendingBytes) // 0
 * ```
 */
export class SharedLimits {
  #maxPendingBytes: number
  #pendingBytes = 0
  /** Backlogs with callers that wait, in the order in which they get room. */
  readonly #queue = new Set<QueuedBacklog>()
  /** Whether a caller was just told that there is room, and may not have appended yet. */
  #isServing = false
  #served = 0

  /** Throws a `TypeError` or `RangeError` for a bad option. */
  constructor(options: SharedLimitsOptions) {
    this.#maxPendingBytes = checkLimits(options)
  }

  /** The limit that was given. */
  get maxPendingBytes(): number {
    return this.#maxPendingBytes
  }

  /** What waits to become durable now in all writers with these limits. */
  get pendingBytes(): number {
    return this.#pendingBytes
  }

  /**
   * Changes the limits, from the next append on. What waits already stays accepted. Throws a `TypeError` or
   * `RangeError` for a bad option.
   */
  configure(options: SharedLimitsOptions): void {
    this.#maxPendingBytes = checkLimits(options)
    this.#serve()
  }

  /** @internal Whether an append of this size is accepted now. */
  hasRoom(bytes: number): boolean {
    return this.#pendingBytes === 0 || this.#pendingBytes + bytes <= this.#maxPendingBytes
  }

  /** @internal An append waits. */
  add(bytes: number): void {
    this.#pendingBytes += bytes
  }

  /** @internal An append has succeeded or failed. */
  remove(bytes: number): void {
    this.#pendingBytes -= bytes
    this.#serve()
  }

  /** @internal A caller of this backlog waits, or may have room now. */
  enqueue(backlog: QueuedBacklog): void {
    this.#queue.add(backlog)
    this.#serve()
  }

  /** One caller at a time: the room for the next one is known once this one has appended. */
  #serve(): void {
    if (this.#isServing) return
    for (const backlog of this.#queue) {
      const bytes = backlog.wantedBytes
      if (bytes !== null && !this.hasRoom(bytes)) return
      this.#queue.delete(backlog)
      // It comes back when its own limit has room.
      if (bytes === null) continue
      this.#isServing = true
      if (backlog.serve()) this.#queue.add(backlog)
      this.#whenAppended(() => {
        this.#isServing = false
        this.#serve()
      })
      return
    }
  }

  /** The caller goes on in microtasks. A tick begins when there are none left, unless it is scheduled by a tick. */
  #whenAppended(action: () => void): void {
    if (++this.#served % SERVED_PER_TURN === 0) setImmediate(action)
    else queueMicrotask(() => nextTick(action))
  }
}

function checkLimits(options: SharedLimitsOptions): number {
  checkOptions('SharedLimits', options, OPTIONS)
  const { maxPendingBytes } = options
  return wholeOption('maxPendingBytes', maxPendingBytes, { from: 1, to: Number.MAX_SAFE_INTEGER })
}

/** The memory that the process may use: that of the machine, or of its container if that is less. */
function memoryBytes(): number {
  const constrained = constrainedMemory() ?? 0
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem()
}

/** The limits of the writers of this thread that are given none. */
export const threadLimits: SharedLimits = new SharedLimits({ maxPendingBytes: Math.ceil(memoryBytes() / 4) })
