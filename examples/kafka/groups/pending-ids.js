/**
 * The member ids of a group that were handed out and have not joined yet. A member of the later versions learns its id
 * before it joins, so that it can be found again if it tries several times.
 */
import { idBytes, MEMBER_BYTES } from './member.js'

export class PendingIds {
  #settings
  #onExpired
  /** What cancels the time of each. @type {Map<string, () => void>} */
  #ids = new Map()

  /**
   * @param {{ clock: import('@sq/sim').Clock, budget: import('./budget.js').Budget }} settings
   * @param {() => void} onExpired called after an id has not joined in time
   */
  constructor(settings, onExpired) {
    this.#settings = settings
    this.#onExpired = onExpired
  }

  get size() {
    return this.#ids.size
  }

  /** @param {string} id */
  has(id) {
    return this.#ids.has(id)
  }

  /**
   * Returns false if there is no memory for it.
   *
   * @param {string} id
   * @param {number} timeoutMs
   */
  add(id, timeoutMs) {
    const { budget, clock } = this.#settings
    if (!budget.take(pendingBytes(id))) return false
    const expire = () => {
      this.delete(id)
      this.#onExpired()
    }
    this.#ids.set(id, clock.setTimer(timeoutMs, expire))
    return true
  }

  /**
   * Returns whether it was there.
   *
   * @param {string} id
   */
  delete(id) {
    const cancel = this.#ids.get(id)
    if (cancel === undefined) return false
    cancel()
    this.#settings.budget.release(pendingBytes(id))
    return this.#ids.delete(id)
  }

  clear() {
    for (const id of this.#ids.keys()) this.delete(id)
  }
}

/** @param {string} id */
function pendingBytes(id) {
  return MEMBER_BYTES + idBytes(id)
}
