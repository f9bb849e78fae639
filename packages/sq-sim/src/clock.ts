/**
 * The only file that reads the time and sets timers. Code that needs the time takes a `Clock`, so that tests can
 * control it.
 */
import { clearTimeout, setTimeout } from 'node:timers'

/** The longest delay of a timer: a larger number does not fit into the timers of Node. About 24 days. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** The time, and timers. The log asks nothing else for either, so a test that passes its own clock controls both. */
export interface Clock {
  /**
   * Milliseconds since 1970-01-01 UTC. May jump in both directions: for people and files, not for measuring durations.
   */
  now(): number
  /** Milliseconds since an arbitrary moment. Never goes back. It measures durations within this process. */
  monotonic(): number
  /**
   * Calls back once, not before this number of milliseconds has passed on the monotonic clock, and never before this
   * returns. The returned function cancels the timer; after the call it does nothing. Throws a `RangeError` unless
   * `delayMs` is from 0 to 2^31 - 1.
   */
  setTimer(delayMs: number, callback: () => void): () => void
}

/**
 * The clocks of the machine. A timer keeps the process alive.
 *
 * @example
 * ```ts
 * const clock = new SystemClock()
 * const startedMs = clock.monotonic()
 * const elapsedMs = clock.monotonic() - startedMs
 * ```
 */
export class SystemClock implements Clock {
  now(): number {
    return Date.now()
  }

  monotonic(): number {
    return performance.now()
  }

  setTimer(delayMs: number, callback: () => void): () => void {
    checkDelay(delayMs)
    const dueMs = this.monotonic() + delayMs
    // A timer of Node may fire up to a millisecond early.
    const check = (): void => {
      const leftMs = dueMs - this.monotonic()
      if (leftMs > 0) timer = setTimeout(check, leftMs)
      else callback()
    }
    let timer = setTimeout(check, delayMs)
    return () => clearTimeout(timer)
  }
}

/** A timer of a `ManualClock`. */
interface ManualTimer {
  readonly dueMs: number
  readonly callback: () => void
}

/**
 * A clock that moves only when a test moves it; its timers fire only then.
 *
 * @example
 * ```ts
 * const clock = new ManualClock(Date.UTC(2026, 0, 1))
 * clock.advance(60_000)
 * console.log(new Date(clock.now()).toISOString(), clock.monotonic()) // 2026-01-01T00:01:00.000Z 60000
 * ```
 */
export class ManualClock implements Clock {
  #nowMs: number
  #monotonicMs = 0
  /** In the order in which they were set. */
  readonly #timers = new Set<ManualTimer>()

  /** `nowMs`: the first value of `now()`; 2020-01-01 UTC if not given. */
  constructor(nowMs = 1_577_836_800_000) {
    this.#nowMs = nowMs
  }

  now(): number {
    return this.#nowMs
  }

  monotonic(): number {
    return this.#monotonicMs
  }

  setTimer(delayMs: number, callback: () => void): () => void {
    checkDelay(delayMs)
    const timer = { dueMs: this.#monotonicMs + delayMs, callback }
    this.#timers.add(timer)
    return () => {
      this.#timers.delete(timer)
    }
  }

  /** The number of timers that have neither fired nor been cancelled. */
  get timers(): number {
    return this.#timers.size
  }

  /**
   * Moves both clocks forward. Timers that become due on the way call back before this returns, in the order of their
   * times, each while the clock shows its time. Throws a `RangeError` for a negative or non-finite step.
   */
  advance(ms: number): void {
    if (!(ms >= 0) || ms === Infinity) throw new RangeError(`a clock can advance by 0 ms or more, not by ${ms}`)
    const endMs = this.#monotonicMs + ms
    for (let next = this.#nextTimer(endMs); next !== null; next = this.#nextTimer(endMs)) {
      this.#timers.delete(next)
      this.#move(next.dueMs)
      next.callback()
    }
    this.#move(endMs)
  }

  /** The first timer that is due at a time or before it; of those due at the same time, the one that was set first. */
  #nextTimer(atMs: number): ManualTimer | null {
    let first: ManualTimer | null = null
    for (const timer of this.#timers) {
      if (timer.dueMs <= atMs && timer.dueMs < (first?.dueMs ?? Infinity)) first = timer
    }
    return first
  }

  #move(monotonicMs: number): void {
    const step = Math.max(monotonicMs - this.#monotonicMs, 0)
    this.#nowMs += step
    this.#monotonicMs += step
  }

  /** Sets only `now()`, as an administrator or a time server does; `monotonic()` does not change. */
  setNow(nowMs: number): void {
    this.#nowMs = nowMs
  }
}

function checkDelay(delayMs: number): void {
  if (!(delayMs >= 0 && delayMs <= MAX_TIMER_MS)) {
    throw new RangeError(`a timer can be set to go off after 0 to ${MAX_TIMER_MS} ms, not after ${delayMs}`)
  }
}
