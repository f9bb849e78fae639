/**
 * Returns the items of pages one at a time. Async generators could do the same, but this costs a third, and it runs for
 * every reader at every commit.
 */
import type { Waker } from '../shared/waker.ts'

/** The source of the items, some at a time. */
export interface Pages<T> {
  /** The next items, if they are available; an empty page means that `more` must be called. */
  take(): readonly T[]
  /**
   * Whether there is nothing to do but wait for the waker. Notifications before this call no longer count; those after
   * it do.
   */
  startsWaiting(): boolean
  /** Resolves with true once items may be available, and with false at the end. */
  more(): Promise<boolean>
  /** Releases what is held. It is the last call. */
  close(): Promise<void>
}

/** Releases the file and the watch of an iterator that was started and then dropped without `return`. */
const dropped = new FinalizationRegistry<{ close(): Promise<void> }>((pages) => {
  // There is nobody to report a failure to.
  pages.close().catch(() => {})
})

export class PageIterator<T> implements AsyncIterableIterator<T> {
  readonly #open: () => Pages<T>
  readonly #waker: Waker
  /** Null before the first call and after the end. */
  #pages: Pages<T> | null = null
  #ended = false
  #page: readonly T[] = []
  #at = 0
  /** The number of calls that wait for an item, and the last of them: each follows the one before. */
  #waiting = 0
  #last: Promise<unknown> = Promise.resolve()

  /** `open` is called once, for the first item. The pages wait for `waker`. */
  constructor(open: () => Pages<T>, waker: Waker) {
    this.#open = open
    this.#waker = waker
  }

  next(): Promise<IteratorResult<T, undefined>> {
    const item = this.#waiting > 0 ? undefined : this.#take()
    if (item !== undefined) return Promise.resolve({ done: false, value: item })
    return this.#inTurn(() => this.#nextInTurn())
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.#waker.stop()
    return this.#inTurn(() => this.#finish())
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** The next item of this page, unless the iteration was stopped. */
  #take(): T | undefined {
    return this.#waker.stopped ? undefined : this.#page[this.#at++]
  }

  #inTurn(action: () => Promise<IteratorResult<T, undefined>>): Promise<IteratorResult<T, undefined>> {
    const turn = this.#waiting === 0 ? action() : this.#last.then(action, action)
    this.#waiting++
    this.#last = turn
    return turn
  }

  /** A call before this one may have left items of its page. */
  #nextInTurn(): Promise<IteratorResult<T, undefined>> {
    const pages = this.#at < this.#page.length ? null : this.#pages
    return pages?.startsWaiting() === true ? this.#whenWoken(pages) : this.#advance()
  }

  /**
   * The next item as soon as the waker wakes, without further promises if it is available: many iterators may wait for
   * it.
   */
  #whenWoken(pages: Pages<T>): Promise<IteratorResult<T, undefined>> {
    return new Promise((resolve) => {
      this.#waker.onWake(() => {
        try {
          this.#page = pages.take()
          this.#at = 0
        } catch (error) {
          return resolve(this.#fail(error))
        }
        const item = this.#take()
        if (item === undefined) return resolve(this.#advance())
        this.#waiting--
        resolve({ done: false, value: item })
      })
    })
  }

  async #fail(error: unknown): Promise<never> {
    try {
      await this.#end()
    } finally {
      this.#waiting--
    }
    throw error
  }

  async #advance(): Promise<IteratorResult<T, undefined>> {
    let isFound = false
    try {
      for (;;) {
        const item = this.#take()
        isFound = item !== undefined
        if (item !== undefined) return { done: false, value: item }
        if (this.#ended) return { done: true, value: undefined }
        this.#pages ??= this.#opened()
        this.#page = this.#pages.take()
        this.#at = 0
        if (this.#page.length === 0 && !(await this.#pages.more())) return { done: true, value: undefined }
      }
    } finally {
      if (!isFound) await this.#end()
      this.#waiting--
    }
  }

  #opened(): Pages<T> {
    const pages = this.#open()
    dropped.register(this, pages, this)
    return pages
  }

  async #finish(): Promise<IteratorResult<T, undefined>> {
    try {
      await this.#end()
    } finally {
      this.#waiting--
    }
    return { done: true, value: undefined }
  }

  async #end(): Promise<void> {
    const pages = this.#pages
    this.#ended = true
    this.#page = []
    this.#pages = null
    if (pages === null) return
    dropped.unregister(this)
    await pages.close()
  }
}
