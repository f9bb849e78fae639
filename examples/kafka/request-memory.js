/** The memory that the requests of all connections take together, from the first byte until the answer. */
export class RequestMemory {
  #maxBytes
  #bytes = 0
  /** @type {Set<() => void>} */
  #waiting = new Set()

  /** @param {number} maxBytes above it, connections stop reading; each may have read one chunk more */
  constructor(maxBytes) {
    this.#maxBytes = maxBytes
  }

  get bytes() {
    return this.#bytes
  }

  /** @param {number} bytes that have come */
  take(bytes) {
    this.#bytes += bytes
  }

  /**
   * Resolves when there is room for more, or when the signal is aborted.
   *
   * @param {AbortSignal} signal
   */
  async room(signal) {
    while (this.#bytes >= this.#maxBytes && !signal.aborted) {
      await new Promise((resolve) => {
        const wake = () => {
          this.#waiting.delete(wake)
          signal.removeEventListener('abort', wake)
          resolve(undefined)
        }
        this.#waiting.add(wake)
        signal.addEventListener('abort', wake)
      })
    }
  }

  /** @param {number} bytes that are needed no longer */
  give(bytes) {
    this.#bytes -= bytes
    if (this.#bytes < this.#maxBytes) for (const wake of this.#waiting) wake()
  }
}
