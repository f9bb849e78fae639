/** Waiting that something else can end: until a call, for a time, or until closing. */
import type { Clock, Random } from '@sq/sim'

const FIRST_DELAY_MS = 100
const MAX_DELAY_MS = 30_000

/** One waiter at a time. */
export class Pause {
  #wake: (() => void) | null = null
  /** Whether `end` was called since the last wait. */
  #isEnded = false

  /** Ends the wait under way, or the next one. */
  end(): void {
    this.#isEnded = true
    this.#wake?.()
  }

  /** Resolves once `end` was called since the last wait, or after a time, if one is given. */
  async wait(time?: { readonly clock: Clock; readonly delayMs: number }): Promise<void> {
    let cancel: (() => void) | undefined
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      if (this.#isEnded) resolve()
      else if (time !== undefined) cancel = time.clock.setTimer(time.delayMs, resolve)
    })
    cancel?.()
    this.#wake = null
    this.#isEnded = false
  }
}

/**
 * How long to wait before an attempt after this number of failures in succession: twice as long each time, up to 30 s,
 * less a random part of up to a half, so that many logs do not all try at the same moment.
 */
export function backoffMs(failures: number, random: Random): number {
  const longest = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(failures - 1, 20))
  return Math.round(longest * (1 - random.float() / 2))
}
