/** Work that the broker does again and again, such as retention: never twice at the same time, and until it is closed. */
export class RepeatedWork {
  #work
  #options
  #isClosed = false
  /** @type {() => void} */
  #cancel = () => {}
  /** @type {Promise<void>} */
  #done = Promise.resolve()

  /**
   * @param {() => Promise<void>} work
   * @param {object} options
   * @param {number} options.everyMs the time between the end of one run and the next
   * @param {import('@sq/sim').Clock} options.clock
   * @param {(error: unknown) => void} options.onError called when a run fails; the next one comes all the same
   */
  constructor(work, options) {
    this.#work = work
    this.#options = options
    this.#wait()
  }

  /** Resolves when the run that goes on has ended. There is no other one. */
  async close() {
    this.#isClosed = true
    this.#cancel()
    await this.#done
  }

  #wait() {
    const { clock, everyMs } = this.#options
    this.#cancel = clock.setTimer(everyMs, () => (this.#done = this.#run()))
  }

  async #run() {
    await this.#work().catch(this.#options.onError)
    if (!this.#isClosed) this.#wait()
  }
}
