import { beforeEach, describe, expect, it } from 'vitest'
import { Notifier, Waker } from '../shared/waker.ts'
import { PageIterator } from './page-iterator.ts'
import type { Pages } from './page-iterator.ts'

/** Pages that come when the test says so. */
class Source implements Pages<number> {
  readonly waker = new Waker()
  closed = 0
  readonly #startsWaiting: boolean
  readonly #notifier = new Notifier()
  readonly #pages: number[][] = []
  #failure: Error | null = null
  #ended = false

  constructor(startsWaiting: boolean) {
    this.#startsWaiting = startsWaiting
    this.waker.listenTo(this.#notifier)
  }

  push(...page: number[]): void {
    this.#pages.push(page)
    this.#notifier.notify()
  }

  fail(failure: Error): void {
    this.#failure = failure
    this.#notifier.notify()
  }

  end(): void {
    this.#ended = true
    this.#notifier.notify()
  }

  get #isReady(): boolean {
    return this.#pages.length > 0 || this.#failure !== null || this.#ended
  }

  take(): readonly number[] {
    if (this.#failure !== null && this.#pages.length === 0) throw this.#failure
    return this.#pages.shift() ?? []
  }

  startsWaiting(): boolean {
    this.waker.reset()
    return this.#startsWaiting && !this.#isReady
  }

  async more(): Promise<boolean> {
    this.waker.reset()
    while (!this.#isReady && !this.waker.stopped) await this.waker.wait()
    return !this.waker.stopped && !(this.#ended && this.#pages.length === 0)
  }

  async close(): Promise<void> {
    this.closed++
  }
}

describe.each([
  ['start to wait by themselves', true],
  ['are asked for more', false],
])('an iterator over pages that %s', (_, startsWaiting) => {
  let source: Source
  let iterator: PageIterator<number>

  beforeEach(async () => {
    source = new Source(startsWaiting)
    iterator = new PageIterator(() => source, source.waker)
    source.push(0)
    expect(await iterator.next()).toEqual({ done: false, value: 0 })
  })

  const done = { done: true, value: undefined }

  function calls(count: number): Promise<unknown[]> {
    return Promise.all(
      Array.from({ length: count }, () =>
        iterator.next().then(
          (result) => (result.done === true ? result : result.value),
          (error: unknown) => error,
        ),
      ),
    )
  }

  /** Whether the next item is there with the very next microtask. */
  async function isAtOnce(): Promise<boolean> {
    const next = iterator.next().then(() => true)
    const microtask = Promise.resolve()
      .then(() => null)
      .then(() => false)
    return Promise.race([next, microtask])
  }

  it('gives calls that wait the items in order', async () => {
    const waiting = calls(5)
    source.push(1, 2)
    source.push(3)
    await Promise.resolve()
    source.push(4, 5)
    expect(await waiting).toEqual([1, 2, 3, 4, 5])
  })

  it('gives a call that comes while others wait its item after theirs', async () => {
    const waiting = calls(2)
    source.push(1, 2, 3)
    expect(await calls(1)).toEqual([3])
    expect(await waiting).toEqual([1, 2])
  })

  it('gives the rest of a page at once', async () => {
    const waiting = calls(1)
    source.push(1, 2, 3)
    await waiting
    expect([await isAtOnce(), await isAtOnce()]).toEqual([true, true])
  })

  it('ends for all calls that wait', async () => {
    const waiting = calls(3)
    source.push(1)
    source.end()
    expect(await waiting).toEqual([1, done, done])
    expect(source.closed).toBe(1)
  })

  it('gives an error to the first call that waits, and then ends', async () => {
    const failure = new Error('the pages are broken')
    const waiting = calls(3)
    source.fail(failure)
    expect(await waiting).toEqual([failure, done, done])
    expect(await calls(1)).toEqual([done])
    expect(source.closed).toBe(1)
  })

  it('ends calls that wait when it returns', async () => {
    const waiting = calls(2)
    expect(await iterator.return()).toEqual(done)
    expect(await waiting).toEqual([done, done])
    expect(source.closed).toBe(1)
  })

  it('gives nothing more of a page after it returned', async () => {
    source.push(1, 2, 3)
    expect(await calls(1)).toEqual([1])
    expect(await iterator.return()).toEqual(done)
    expect(await calls(2)).toEqual([done, done])
    expect(source.closed).toBe(1)
  })
})
