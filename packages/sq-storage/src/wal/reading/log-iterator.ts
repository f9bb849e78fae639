/**
 * Returns the elements of a log one at a time: takes commits from a stream, selects what to return of them, and waits
 * when there are none. Async generators could do the same, but this costs a third, and it runs for every reader at
 * every commit.
 */
import type { Waker } from '../shared/waker.ts'
import type { FrameStream } from './frame-stream.ts'
import type { Selection } from './selection.ts'

/** A stream of commits as an iterator uses it. */
export type IteratedStream = Pick<FrameStream, 'isInterrupted' | 'startsWaiting' | 'take' | 'give' | 'more' | 'close'>

/** A stream of commits, and what to return of them. */
export interface Reading<T> {
  readonly stream: IteratedStream
  readonly selection: Selection<T>
}

/** Releases the file and the watch of an iterator that was started and then dropped without `return`. */
const dropped = new FinalizationRegistry<Pick<IteratedStream, 'close'>>((stream) => {
  // No caller is left to report a failure to.
  stream.close().catch(() => {})
})

export class LogIterator<T> implements AsyncIterableIterator<T> {
  readonly #open: () => Reading<T>
  readonly #waker: Waker
  /** Null before the first call and after the end. */
  #reading: Reading<T> | null = null
  #ended = false
  #page: readonly T[] = []
  #at = 0
  /** The number of calls that wait for an element, and the last of them: each follows the one before. */
  #waiting = 0
  #last: Promise<unknown> = Promise.resolve()

  /** `open` is called once, for the first element. Its stream waits for `waker`. */
  constructor(open: () => Reading<T>, waker: Waker) {
    this.#open = open
    this.#waker = waker
  }

  next(): Promise<IteratorResult<T, undefined>> {
    const element = this.#waiting > 0 ? undefined : this.#take()
    if (element !== undefined) return Promise.resolve({ done: false, value: element })
    return this.#inTurn(() => this.#nextInTurn())
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.#waker.stop()
    return this.#inTurn(() => this.#finish())
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** The next element of this page, unless the iteration was stopped. */
  #take(): T | undefined {
    return this.#waker.stopped ? undefined : this.#page[this.#at++]
  }

  /** The next page; it is empty if the stream must be asked for more. */
  #turnPage({ stream, selection }: Reading<T>): void {
    this.#page = selection.take(stream)
    this.#at = 0
  }

  #inTurn(action: () => Promise<IteratorResult<T, undefined>>): Promise<IteratorResult<T, undefined>> {
    const turn = this.#waiting === 0 ? action() : this.#last.then(action, action)
    this.#waiting++
    this.#last = turn
    return turn
  }

  #nextInTurn(): Promise<IteratorResult<T, undefined>> {
    const reading = this.#reading
    // A call before this one may have left elements of its page.
    if (reading === null || this.#at < this.#page.length || reading.selection.isOver) return this.#advance()
    return reading.stream.startsWaiting() ? this.#whenWoken(reading) : this.#advance()
  }

  /**
   * The next element as soon as the waker wakes, without further promises if it is available: many iterators may wait
   * for it.
   */
  #whenWoken(reading: Reading<T>): Promise<IteratorResult<T, undefined>> {
    // An iterator that waits does not keep what it returned in memory.
    this.#page = []
    return new Promise((resolve) => {
      this.#waker.onWake(() => {
        try {
          this.#turnPage(reading)
        } catch (error) {
          return resolve(this.#finish().then(() => Promise.reject(error)))
        }
        const element = this.#take()
        if (element === undefined) return resolve(this.#advance())
        this.#waiting--
        resolve({ done: false, value: element })
      })
    })
  }

  async #advance(): Promise<IteratorResult<T, undefined>> {
    let element: T | undefined
    try {
      while (!this.#ended) {
        element = this.#take()
        if (element !== undefined) return { done: false, value: element }
        this.#reading ??= this.#opened()
        this.#turnPage(this.#reading)
        if (this.#page.length === 0 && !(await this.#hasMore(this.#reading))) break
      }
      return { done: true, value: undefined }
    } finally {
      if (element === undefined) await this.#end()
      this.#waiting--
    }
  }

  #opened(): Reading<T> {
    const reading = this.#open()
    dropped.register(this, reading.stream, this)
    return reading
  }

  /** Asks the stream also after everything was returned if it was interrupted, to get the error of an ending. */
  #hasMore({ stream, selection }: Reading<T>): Promise<boolean> {
    return selection.isOver && !stream.isInterrupted ? Promise.resolve(false) : stream.more()
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
    const reading = this.#reading
    this.#ended = true
    this.#page = []
    this.#reading = null
    if (reading === null) return
    dropped.unregister(this)
    await reading.stream.close()
  }
}
