/** Wakes one who waits. It may ring before that one waits: then the next wait is over at once. */
export class Alarm {
  #rung = false
  #wake: (() => void) | null = null

  ring(): void {
    this.#rung = true
    this.#wake?.()
  }

  /** What rang so far is forgotten: about to look whether there is anything. */
  reset(): void {
    this.#rung = false
  }

  /** Until it rings, or has rung since the last `reset`. One may wait at a time. */
  async wait(): Promise<void> {
    if (this.#rung) return
    await new Promise<void>((resolve) => {
      this.#wake = resolve
    })
    this.#wake = null
  }
}
