/** The only file that reads the time. Code that needs the time takes a `Clock`, so that tests can control it. */

export interface Clock {
  /**
   * Milliseconds since 1970-01-01 UTC. May jump in both directions: for people and files, not for measuring durations.
   */
  now(): number
  /** Milliseconds since an arbitrary moment. Never goes back. It measures durations within this process. */
  monotonic(): number
}

/**
 * The clocks of the machine.
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
}

/**
 * A clock that moves only when a test moves it.
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

  /** Moves both clocks forward. Throws a `RangeError` for a negative or non-finite step. */
  advance(ms: number): void {
    if (!(ms >= 0) || ms === Infinity) throw new RangeError(`a clock can advance by 0 ms or more, not by ${ms}`)
    this.#nowMs += ms
    this.#monotonicMs += ms
  }

  /** Sets only `now()`, as an administrator or a time server does; `monotonic()` does not change. */
  setNow(nowMs: number): void {
    this.#nowMs = nowMs
  }
}
