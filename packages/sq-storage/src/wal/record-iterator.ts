/**
 * Hands out the records of pages one at a time. An async generator could do the same: this costs a third, for all but
 * the first record of a page are there already.
 */
import type { Alarm } from './alarm.ts'
import type { LogRecord } from './record.ts'

export class RecordIterator implements AsyncIterableIterator<LogRecord> {
  readonly #pages: AsyncGenerator<readonly LogRecord[], void, undefined>
  readonly #alarm: Alarm
  readonly #check: () => void
  #page: readonly LogRecord[] = []
  #at = 0
  /** A call that waits for a page: those after it come after it. */
  #turning: Promise<unknown> | null = null

  /** `alarm` ends a wait inside of `pages`; `check` throws where the iteration is to end. */
  constructor(
    pages: AsyncGenerator<readonly LogRecord[], void, undefined>,
    { alarm, check }: { alarm: Alarm; check: () => void },
  ) {
    this.#pages = pages
    this.#alarm = alarm
    this.#check = check
  }

  next(): Promise<IteratorResult<LogRecord, undefined>> {
    const record = this.#page[this.#at]
    if (record === undefined || this.#turning !== null) return this.#inTurn()
    try {
      this.#check()
    } catch (error) {
      return this.#fail(error)
    }
    this.#at++
    return Promise.resolve({ done: false, value: record })
  }

  async return(): Promise<IteratorResult<LogRecord, undefined>> {
    this.#page = []
    this.#alarm.end()
    await this.#pages.return()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #inTurn(): Promise<IteratorResult<LogRecord, undefined>> {
    const before = this.#turning
    const turn = before === null ? this.#turn() : before.then(() => this.#turn())
    const settled = turn.then(
      () => {},
      () => {},
    )
    this.#turning = settled
    void settled.then(() => {
      if (this.#turning === settled) this.#turning = null
    })
    return turn
  }

  async #turn(): Promise<IteratorResult<LogRecord, undefined>> {
    const record = this.#page[this.#at]
    if (record !== undefined) {
      this.#at++
      return { done: false, value: record }
    }
    const { done, value: page } = await this.#pages.next()
    if (done === true) return { done: true, value: undefined }
    this.#page = page
    this.#at = 0
    return this.#turn()
  }

  /** Gives up the files, too. */
  async #fail(error: unknown): Promise<never> {
    this.#page = []
    await this.#pages.return()
    throw error
  }
}
