/** The bytes that all groups together may keep in memory. What does not fit is refused. */
export class Budget {
  #bytesLeft

  /** @param {number} bytes */
  constructor(bytes) {
    this.#bytesLeft = bytes
  }

  get bytesLeft() {
    return this.#bytesLeft
  }

  /**
   * Takes bytes, and returns true. If fewer are left, it takes none and returns false.
   *
   * @param {number} bytes
   */
  take(bytes) {
    if (bytes > this.#bytesLeft) return false
    this.#bytesLeft -= bytes
    return true
  }

  /** @param {number} bytes */
  release(bytes) {
    this.#bytesLeft += bytes
  }
}
