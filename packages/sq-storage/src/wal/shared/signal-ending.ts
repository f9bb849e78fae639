/**
 * Ends iterations by an `AbortSignal`. The signal belongs to the caller: it has one listener for all iterations of this
 * thread that wait, none while none waits, and its listener limit is not changed.
 */
import { reasonOf } from './signal.ts'
import type { Waker, Ending } from './waker.ts'

const endings = new WeakMap<AbortSignal, SignalEnding>()

/** The single ending of a signal. */
export function signalEnding(signal: AbortSignal): Ending {
  const known = endings.get(signal)
  if (known !== undefined) return known
  const made = new SignalEnding(signal)
  endings.set(signal, made)
  return made
}

class SignalEnding implements Ending {
  readonly #signal: AbortSignal
  readonly #waiting = new Set<Waker>()

  constructor(signal: AbortSignal) {
    this.#signal = signal
  }

  get failure(): { readonly reason: unknown } | null {
    return this.#signal.aborted ? { reason: reasonOf(this.#signal) } : null
  }

  add(waker: Waker): void {
    if (this.#waiting.size === 0) this.#signal.addEventListener('abort', this.#onAbort)
    this.#waiting.add(waker)
  }

  delete(waker: Waker): void {
    if (this.#waiting.delete(waker) && this.#waiting.size === 0)
      this.#signal.removeEventListener('abort', this.#onAbort)
  }

  readonly #onAbort = (): void => {
    for (const waker of this.#waiting) waker.wake()
  }
}
