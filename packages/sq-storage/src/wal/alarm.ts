/** Wakes one who waits. It may ring before that one waits: then the next wait is over at once. */
export class Alarm {
  #rung = false
  #ended = false
  #wake: (() => void) | null = null

  ring(): void {
    this.#rung = true
    this.#wake?.()
  }

  /** Rings for the last time: there is nothing more to wait for. */
  end(): void {
    this.#ended = true
    this.ring()
  }

  get ended(): boolean {
    return this.#ended
  }

  /** What rang so far is forgotten: about to look whether there is anything. */
  reset(): void {
    this.#rung = false
  }

  /** Until it rings, or has rung since the last `reset`. One may wait at a time. */
  async wait(): Promise<void> {
    if (this.#rung || this.#ended) return
    await new Promise<void>((resolve) => {
      this.#wake = resolve
    })
    this.#wake = null
  }
}
