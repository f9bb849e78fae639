/** The memory that the answers of all connections take together, from before they are made until they are sent. */

/** @typedef {{ bytes: number, grant: (isGranted: boolean) => void }} Waiting */

export class AnswerMemory {
  #maxBytes
  #bytes = 0
  /** Those that wait for room, in their order. @type {Set<Waiting>} */
  #waiting = new Set()

  /** @param {number} maxBytes above it, answers that can be large wait; each may turn out larger than was reserved */
  constructor(maxBytes) {
    this.#maxBytes = maxBytes
  }

  /** What is reserved. */
  get bytes() {
    return this.#bytes
  }

  /** A reservation for one answer, of no bytes at first. */
  reservation() {
    return new Reservation(this)
  }

  /**
   * Takes as much as there is room for, up to a limit, and returns it: 0 if that is less than the least, or if others
   * wait for room.
   *
   * @param {{ leastBytes: number, mostBytes: number }} wanted
   */
  takeNow({ leastBytes, mostBytes }) {
    const free = this.#maxBytes - this.#bytes
    if (this.#waiting.size > 0 || free < Math.min(leastBytes, this.#maxBytes)) return 0
    const taken = Math.min(mostBytes, free)
    this.#bytes += taken
    return taken
  }

  /**
   * As `takeNow`, but waits for room, in the order of the calls. Resolves with 0 if the signal is aborted first.
   *
   * @param {{ leastBytes: number, mostBytes: number }} wanted
   * @param {AbortSignal} signal
   */
  async take({ leastBytes, mostBytes }, signal) {
    const taken = this.takeNow({ leastBytes, mostBytes })
    if (taken > 0 || signal.aborted) return taken
    const bytes = Math.min(leastBytes, this.#maxBytes)
    const hasRoom = await new Promise((resolve) => {
      const end = () => grant(false)
      /** @param {boolean} isGranted */
      const grant = (isGranted) => {
        this.#waiting.delete(waiting)
        signal.removeEventListener('abort', end)
        resolve(isGranted)
      }
      const waiting = { bytes, grant }
      this.#waiting.add(waiting)
      signal.addEventListener('abort', end)
    })
    if (hasRoom) return bytes
    // Those behind it may need less.
    this.give(0)
    return 0
  }

  /** @param {number} bytes that are needed in addition, whether there is room or not */
  add(bytes) {
    this.#bytes += bytes
  }

  /** @param {number} bytes that are needed no longer */
  give(bytes) {
    this.#bytes -= bytes
    for (const { bytes: wanted, grant } of this.#waiting) {
      if (wanted > this.#maxBytes - this.#bytes) return
      this.#bytes += wanted
      grant(true)
    }
  }
}

/** What one answer takes, or may take. */
export class Reservation {
  #memory
  #bytes = 0

  /** @param {AnswerMemory} memory */
  constructor(memory) {
    this.#memory = memory
  }

  /**
   * Reserves memory for an answer that is to be made. Resolves with what it may take: at least the least, and as much as
   * there is room for. An answer without any waits for the least. One that has some already does not wait, so that no
   * two wait for each other; it gets 0 if there is no room for the least. So does any when the signal is aborted.
   *
   * @param {{ leastBytes: number, mostBytes: number }} wanted
   * @param {AbortSignal} signal
   */
  async reserve({ leastBytes, mostBytes }, signal) {
    const held = this.#bytes
    const more = { leastBytes: leastBytes - held, mostBytes: mostBytes - held }
    const taken = held > 0 ? this.#memory.takeNow(more) : await this.#memory.take(more, signal)
    this.#bytes += taken
    return taken === 0 ? 0 : this.#bytes
  }

  /** @param {number} bytes what the answer takes, as far as it was made; 0 when it was sent */
  set(bytes) {
    const more = bytes - this.#bytes
    this.#bytes = bytes
    if (more > 0) this.#memory.add(more)
    else this.#memory.give(-more)
  }
}
