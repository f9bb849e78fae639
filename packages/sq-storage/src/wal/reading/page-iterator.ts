/**
 * Hands out the items of pages one at a time. Async generators could do the same: this costs a third, and it is done
 * for every reader at every commit.
 */
import type { Waker } from '../shared/waker.ts'

/** Where the items come from, some at a time. */
export interface Pages<T> {
  /** The next items, if they are at hand; else none: `more` is to be asked. */
  take(): readonly T[]
  /**
   * Whether none are at hand, nor is anything to be done but to wait until the waker rings. What it rang before this
   * call counts no more, what it rings after it does.
   */
  startsWaiting(): boolean
  /** Resolves once there may be items at hand, with true; with false at the end. */
  more(): Promise<boolean>
  /** Gives up what is held. Nothing is called after it. */
  close(): Promise<void>
}

/** Gives up what an iterator holds that was begun, and dropped without `return`: its file, its watch. */
const dropped = new FinalizationRegistry<{ close(): Promise<void> }>((pages) => {
  // Nobody is there to be told of a failure.
  pages.close().catch(() => {})
})

export class PageIterator<T> implements AsyncIterableIterator<T> {
  readonly #open: () => Pages<T>
  readonly #waker: Waker
  /** Null before the first call, and once there are no more. */
  #pages: Pages<T> | null = null
  #ended = false
  #page: readonly T[] = []
  #at = 0
  /** How many calls wait for an item, and the last of them: each comes after those before it. */
  #waiting = 0
  #last: Promise<unknown> = Promise.resolve()

  /** `open` is called once, when the first item is wanted. `waker` is what the pages wait for. */
  constructor(open: () => Pages<T>, waker: Waker) {
    this.#open = open
    this.#waker = waker
  }

  next(): Promise<IteratorResult<T, undefined>> {
    const item = this.#waiting > 0 ? undefined : this.#take()
    if (item !== undefined) return Promise.resolve({ done: false, value: item })
    return this.#inTurn(() => (this.#pages?.startsWaiting() === true ? this.#whenWoken(this.#pages) : this.#advance()))
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.#waker.stop()
    return this.#inTurn(() => this.#finish())
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** The next item of this page, unless the waker was stopped meanwhile. */
  #take(): T | undefined {
    return this.#waker.stopped ? undefined : this.#page[this.#at++]
  }

  #inTurn(action: () => Promise<IteratorResult<T, undefined>>): Promise<IteratorResult<T, undefined>> {
    const turn = this.#waiting === 0 ? action() : this.#last.then(action, action)
    this.#waiting++
    this.#last = turn
    return turn
  }

  /** The next item as soon as the waker rings, without further promises where it is at hand: many may wait for it. */
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
