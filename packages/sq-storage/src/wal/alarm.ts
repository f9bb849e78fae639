/**
 * Wakes one who waits, or tells it to stop. It may ring before that one waits: then the next wait is over at once.
 */
export class Alarm {
  #rung = false
  #stopped = false
  #failure: { readonly reason: unknown } | null = null
  #wake: (() => void) | null = null

  ring(): void {
    this.#rung = true
    const wake = this.#wake
    this.#wake = null
    wake?.()
  }

  /** Rings for the last time: what waits ends. */
  stop(): void {
    this.#stopped = true
    this.ring()
  }

  /** The same, with an error; unless it was stopped before. */
  fail(reason: unknown): void {
    if (!this.#stopped) this.#failure = { reason }
    this.stop()
  }

  /** Whether there is nothing more to wait for. */
  get stopped(): boolean {
    return this.#stopped
  }

  /** Throws the error that it was stopped with, if it was. */
  throwIfFailed(): void {
    if (this.#failure !== null) throw this.#failure.reason
  }

  /** What rang so far is forgotten: about to look whether there is anything. */
  reset(): void {
    this.#rung = false
  }

  /** Until it rings, or has rung since the last `reset`. One may wait at a time. */
  wait(): Promise<void> {
    return new Promise((resolve) => this.onRing(resolve))
  }

  /** Calls back once, when it rings; at once where it has rung since the last `reset`. One may wait at a time. */
  onRing(wake: () => void): void {
    if (this.#rung || this.#stopped) wake()
    else this.#wake = wake
  }
}
