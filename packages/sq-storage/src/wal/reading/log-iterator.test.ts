import { beforeEach, describe, expect, it } from 'vitest'
import type { LogRecord } from '../../index.ts'
import { SegmentBytes } from '../../testing/segment-bytes.ts'
import type { LocatedFrame } from '../segments/segment-file.ts'
import { Notifier, Waker } from '../shared/waker.ts'
import { LogIterator } from './log-iterator.ts'
import type { IteratedStream } from './log-iterator.ts'
import { checkReadOptions } from './read-options.ts'
import { CommitRecords, Selection } from './selection.ts'

/** Commits that come when the test says so. */
class Source implements IteratedStream {
  readonly waker = new Waker()
  closed = 0
  readonly #startsWaiting: boolean
  readonly #notifier = new Notifier()
  readonly #segment = new SegmentBytes()
  readonly #commits: LocatedFrame[] = []
  #failure: Error | null = null
  #ended = false

  constructor(startsWaiting: boolean) {
    this.#startsWaiting = startsWaiting
    this.waker.listenTo(this.#notifier)
  }

  get isInterrupted(): boolean {
    return this.waker.stopped
  }

  /** A commit of this number of records. */
  push(recordCount: number): void {
    this.#segment.records(...Array<string>(recordCount).fill(''))
    this.#commits.push(this.#segment.located(-1))
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
    return this.#commits.length > 0 || this.#failure !== null || this.#ended
  }

  take(): LocatedFrame | null {
    if (this.#failure !== null && this.#commits.length === 0) throw this.#failure
    return this.#commits.shift() ?? null
  }

  give(): void {}

  startsWaiting(): boolean {
    this.waker.reset()
    return this.#startsWaiting && !this.#isReady
  }

  async more(): Promise<boolean> {
    this.waker.reset()
    while (!this.#isReady && !this.waker.stopped) await this.waker.wait()
    return !this.waker.stopped && !(this.#ended && this.#commits.length === 0)
  }

  async close(): Promise<void> {
    this.closed++
  }
}

describe.each([
  ['whose end the iterator knows', true],
  ['that must be asked for more', false],
])('an iterator over a stream %s', (_, startsWaiting) => {
  let source: Source
  let iterator: LogIterator<LogRecord>

  beforeEach(async () => {
    source = new Source(startsWaiting)
    const range = checkReadOptions({}, 'read')
    const counters = { records: 0, commits: 0, bytes: 0 }
    const selection = new Selection(range, (located) => new CommitRecords(located, range), counters)
    iterator = new LogIterator(() => ({ stream: source, selection }), source.waker)
    source.push(1)
    expect(await calls(1)).toEqual([0n])
  })

  /** The offset that each call of `next` gets, or 'end', or its error. */
  function calls(count: number): Promise<unknown[]> {
    return Promise.all(
      Array.from({ length: count }, () =>
        iterator.next().then(
          ({ value }) => value?.offset ?? 'end',
          (error: unknown) => error,
        ),
      ),
    )
  }

  /** Whether the next record is there with the very next microtask. */
  async function isAtOnce(): Promise<boolean> {
    const next = iterator.next().then(() => true)
    const microtask = Promise.resolve()
      .then(() => null)
      .then(() => false)
    return Promise.race([next, microtask])
  }

  it('gives calls that wait the records in order', async () => {
    const waiting = calls(5)
    source.push(2)
    source.push(1)
    await Promise.resolve()
    source.push(2)
    expect(await waiting).toEqual([1n, 2n, 3n, 4n, 5n])
  })

  it('serves a call that comes while others wait after the others', async () => {
    const waiting = calls(2)
    source.push(3)
    expect(await calls(1)).toEqual([3n])
    expect(await waiting).toEqual([1n, 2n])
  })

  it('gives the rest of a commit at once', async () => {
    const waiting = calls(1)
    source.push(3)
    await waiting
    expect([await isAtOnce(), await isAtOnce()]).toEqual([true, true])
  })

  it('ends for all calls that wait', async () => {
    const waiting = calls(3)
    source.push(1)
    source.end()
    expect(await waiting).toEqual([1n, 'end', 'end'])
    expect(source.closed).toBe(1)
  })

  it('gives an error to the first call that waits, and then ends', async () => {
    const failure = new Error('the stream is broken')
    const waiting = calls(3)
    source.fail(failure)
    expect(await waiting).toEqual([failure, 'end', 'end'])
    expect(await calls(1)).toEqual(['end'])
    expect(source.closed).toBe(1)
  })

  it('ends calls that wait when return is called', async () => {
    const waiting = calls(2)
    expect(await iterator.return()).toEqual({ done: true, value: undefined })
    expect(await waiting).toEqual(['end', 'end'])
    expect(source.closed).toBe(1)
  })

  it('returns nothing more of a commit after return was called', async () => {
    source.push(3)
    expect(await calls(1)).toEqual([1n])
    expect(await iterator.return()).toEqual({ done: true, value: undefined })
    expect(await calls(2)).toEqual(['end', 'end'])
    expect(source.closed).toBe(1)
  })
})
