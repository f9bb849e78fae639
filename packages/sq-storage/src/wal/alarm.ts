/**
 * Wakes one who waits, or tells it to stop. It may ring before that one waits: then the next wait is over at once.
 */
export class Alarm {
  #rung = false
  #stop: { readonly reason: unknown } | null = null
  #wake: (() => void) | null = null

  ring(): void {
    this.#rung = true
    this.#wake?.()
    this.#wake = null
  }

  /** Rings for the last time. What waits ends with this error; quietly, if there is none. */
  stop(reason: unknown = null): void {
    this.#stop ??= { reason }
    this.ring()
  }

  /** Whether there is nothing more to wait for. */
  get stopped(): boolean {
    return this.#stop !== null
  }

  /** Throws the error that it was stopped with, if it was. */
  throwIfStopped(): void {
    if (this.#stop !== null && this.#stop.reason !== null) throw this.#stop.reason
  }

  /** What rang so far is forgotten: about to look whether there is anything. */
  reset(): void {
    this.#rung = false
  }

  /** Until it rings, or has rung since the last `reset`. One may wait at a time. */
  wait(): Promise<void> {
    if (this.#rung || this.#stop !== null) return Promise.resolve()
    return new Promise<void>((resolve) => {
      this.#wake = resolve
    })
  }
}
