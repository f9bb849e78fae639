/** Admits calls on a file handle until it is closed, so that no call ever uses a descriptor that was assigned again. */
export class Gate {
  #inside = 0
  #closed = false
  #whenEmpty: (() => void) | undefined

  /** Admits a call; false once the gate is closed. */
  enter(): boolean {
    if (this.#closed) return false
    this.#inside++
    return true
  }

  /** Call it once for every `enter` that returned true. */
  leave(): void {
    this.#inside--
    if (this.#inside === 0) this.#whenEmpty?.()
  }

  /** Closes the gate and waits for the admitted calls. False if it was closed before. */
  async close(): Promise<boolean> {
    if (this.#closed) return false
    this.#closed = true
    if (this.#inside > 0) await new Promise<void>((resolve) => (this.#whenEmpty = resolve))
    return true
  }
}
