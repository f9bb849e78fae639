/** Lets the calls on a file handle in until it is closed, so that no call ever meets a descriptor used again. */
export class Gate {
  #inside = 0
  #closed = false
  #whenEmpty: (() => void) | undefined

  /** Lets one in; false once the gate is closed. */
  enter(): boolean {
    if (this.#closed) return false
    this.#inside++
    return true
  }

  /** To be called once for every `enter` that said true. */
  leave(): void {
    this.#inside--
    if (this.#inside === 0) this.#whenEmpty?.()
  }

  /** Closes the gate and waits for those inside. False if it was closed before. */
  async close(): Promise<boolean> {
    if (this.#closed) return false
    this.#closed = true
    if (this.#inside > 0) await new Promise<void>((resolve) => (this.#whenEmpty = resolve))
    return true
  }
}
