/**
 * Hands out the records of pages one at a time. An async generator could do the same: this costs a third, for all but
 * the first record of a page are there already.
 */
import type { Alarm } from './alarm.ts'
import type { LogRecord } from './record.ts'

export class RecordIterator implements AsyncIterableIterator<LogRecord> {
  readonly #pages: AsyncGenerator<readonly LogRecord[], void, undefined>
  readonly #alarm: Alarm
  #page: readonly LogRecord[] = []
  #at = 0
  /** How many calls wait for a page, and the last of them: each comes after those before it. */
  #waiting = 0
  #last: Promise<unknown> = Promise.resolve()

  /** `alarm` is what `pages` waits for. */
  constructor(pages: AsyncGenerator<readonly LogRecord[], void, undefined>, alarm: Alarm) {
    this.#pages = pages
    this.#alarm = alarm
  }

  next(): Promise<IteratorResult<LogRecord, undefined>> {
    const record = this.#page[this.#at]
    if (record === undefined || this.#waiting > 0 || this.#alarm.stopped) return this.#inTurn()
    this.#at++
    return Promise.resolve({ done: false, value: record })
  }

  async return(): Promise<IteratorResult<LogRecord, undefined>> {
    this.#page = []
    this.#alarm.stop()
    await this.#pages.return()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #inTurn(): Promise<IteratorResult<LogRecord, undefined>> {
    const turn = this.#turnAfter(this.#last)
    this.#last = turn
    return turn
  }

  async #turnAfter(before: Promise<unknown>): Promise<IteratorResult<LogRecord, undefined>> {
    this.#waiting++
    try {
      await Promise.allSettled([before])
      return await this.#turn()
    } finally {
      this.#waiting--
    }
  }

  async #turn(): Promise<IteratorResult<LogRecord, undefined>> {
    const record = this.#alarm.stopped ? undefined : this.#page[this.#at]
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
}
