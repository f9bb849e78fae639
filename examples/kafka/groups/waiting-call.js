/**
 * A request whose answer comes later, when other members of its group have sent theirs.
 *
 * @template Response
 */
export class WaitingCall {
  #answer
  #signal
  #onClosed

  /**
   * @param {AbortSignal} signal aborted when the connection closes; must not be aborted yet
   * @param {() => void} onClosed called if that happens before the answer
   */
  constructor(signal, onClosed) {
    /** @type {(response: Response) => void} */
    let answer = nothing
    /** @type {Promise<Response>} */
    this.answered = new Promise((resolve) => (answer = resolve))
    this.#answer = answer
    this.#signal = signal
    this.#onClosed = onClosed
    signal.addEventListener('abort', onClosed, { once: true })
  }

  /** @param {Response} response */
  answer(response) {
    this.#signal.removeEventListener('abort', this.#onClosed)
    this.#answer(response)
  }
}

function nothing() {}
