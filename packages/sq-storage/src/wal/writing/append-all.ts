/**
 * Appends the records of a source, with backpressure: the work of `WalWriter.appendAll`. It sees the writer as an
 * `Inlet`.
 */
import { setImmediate } from 'node:timers'
import { checkOptions, show } from '../../config.ts'
import { AppendAllError, BacklogFullError } from '../../errors.ts'
import type { CheckedRecord, RecordInput } from '../format/record.ts'
import { isSignal, reasonOf } from '../shared/signal.ts'
import { Waker } from '../shared/waker.ts'
import { placed } from './bad-record.ts'
import type { Waiter } from './commit.ts'

/** After this number of bytes the source lets the event loop turn: commits begin there, and other code runs. */
const TURN_BYTES = 256 * 1024

/** A source of records. */
export type RecordSource = AsyncIterable<RecordInput> | Iterable<RecordInput>

/** Options of `appendAll`. An unknown option is refused with a `TypeError`. */
export interface AppendAllOptions {
  /** Stops pulling when it is aborted. */
  readonly signal?: AbortSignal | undefined
}

const OPTIONS: ReadonlySet<string> = new Set<keyof AppendAllOptions>(['signal'])

/** The result of `appendAll`. */
export interface AppendedRecords {
  readonly records: number
  /**
   * The offsets of its first and last record; null if the source was empty. Records of other callers may lie between.
   */
  readonly firstOffset: bigint | null
  readonly lastOffset: bigint | null
}

/** The writer as a source sees it. */
export interface Inlet {
  /** The source stops pulling while more than this number of its bytes wait. */
  readonly windowBytes: number
  /** Reads the parts of a record. Throws a `BadPart`. */
  check(record: RecordInput): CheckedRecord
  /**
   * Appends a record, and returns the bytes that it counts for in `windowBytes`. If it throws what `append` would
   * reject with, or a `BadPart`, nothing was appended.
   */
  append(record: CheckedRecord, waiter: Waiter): number
  /** Resolves when there is room for an append of this size, or the waker is stopped. */
  whenRoom(bytes: number, waker: Waker): Promise<void>
  /** Resolves when the next commit has succeeded or failed. Call it only while something waits. */
  settled(): Promise<void>
}

/**
 * Appends all records of a source. Rejects with a `TypeError` if it is not iterable or an option is bad, and with an
 * `AppendAllError` otherwise.
 */
export async function appendAll(
  source: RecordSource,
  options: AppendAllOptions,
  inlet: Inlet,
): Promise<AppendedRecords> {
  checkOptions('appendAll', options, OPTIONS)
  const { signal } = options
  if (signal !== undefined && !isSignal(signal)) {
    throw new TypeError(`signal must be an AbortSignal, not ${show(signal)}`)
  }
  return new Intake(iteratorOf(source), inlet).run(signal)
}

type RecordIterator = AsyncIterator<RecordInput> | Iterator<RecordInput>

function iteratorOf(source: RecordSource): RecordIterator {
  if (typeof source === 'object' && source !== null) {
    if (Symbol.asyncIterator in source) return source[Symbol.asyncIterator]()
    if (Symbol.iterator in source) return source[Symbol.iterator]()
  }
  throw new TypeError(`a source must be an iterable or async iterable of records, not ${show(source)}`)
}

class Intake {
  readonly #iterator: RecordIterator
  readonly #inlet: Inlet
  #source: 'idle' | 'pulling' | 'ended' = 'idle'
  #pendingBytes = 0
  /** Bytes appended since the event loop turned. */
  #turnBytes = 0
  #taken = 0
  #acknowledged = 0
  #firstOffset: bigint | null = null
  #lastOffset: bigint | null = null
  /** The first failure. After it nothing is pulled or appended. */
  #failure: { readonly cause: unknown } | null = null
  /** Stops waiting for the source. */
  #interrupt = (): void => {}

  constructor(iterator: RecordIterator, inlet: Inlet) {
    this.#iterator = iterator
    this.#inlet = inlet
  }

  async run(signal: AbortSignal | undefined): Promise<AppendedRecords> {
    const onAbort = (): void => {
      if (signal?.aborted === true) this.#fail(reasonOf(signal))
    }
    signal?.addEventListener('abort', onAbort)
    onAbort()
    try {
      await this.#takeAll()
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
    if (this.#failure !== null) await this.#closeSource()
    await this.#pendingAtMost(0)
    const [records, lastOffset] = [this.#acknowledged, this.#lastOffset]
    if (this.#failure !== null) throw new AppendAllError({ records, lastOffset }, this.#failure.cause)
    return { records, firstOffset: this.#firstOffset, lastOffset }
  }

  async #takeAll(): Promise<void> {
    for (let pulled = await this.#pull(); pulled !== null; pulled = await this.#pull()) {
      await this.#append(pulled.record)
      await this.#pendingAtMost(this.#inlet.windowBytes)
      if (this.#turnBytes >= TURN_BYTES) await this.#letTurn()
    }
  }

  /**
   * The next record; null at the end of the source, or as soon as something failed, even if the source does not answer.
   */
  #pull(): Promise<{ readonly record: RecordInput } | null> {
    return new Promise((resolve) => {
      this.#interrupt = () => resolve(null)
      if (this.#failure === null) this.#next().then(resolve, () => {})
      else resolve(null)
    })
  }

  async #next(): Promise<{ readonly record: RecordInput } | null> {
    this.#source = 'pulling'
    try {
      const { done, value } = await this.#iterator.next()
      this.#source = done === true ? 'ended' : 'idle'
      return done === true ? null : { record: value }
    } catch (cause) {
      this.#source = 'ended'
      this.#fail(cause)
      return null
    }
  }

  /** Appends a record as soon as the backlog has room for it. */
  async #append(record: RecordInput): Promise<void> {
    let checked: CheckedRecord | null = null
    while (this.#failure === null) {
      try {
        checked ??= this.#inlet.check(record)
        return this.#take(checked)
      } catch (error) {
        const from = { of: 'source', firstIndex: this.#taken } as const
        if (!(error instanceof BacklogFullError)) return this.#fail(placed(error, from))
        await this.#room(error.neededBytes)
      }
    }
  }

  /** Waits for room, or until something failed. */
  async #room(bytes: number): Promise<void> {
    const waker = new Waker()
    this.#interrupt = () => waker.stop()
    // If the writer was closed, the next append fails with the same error.
    await this.#inlet.whenRoom(bytes, waker).catch(() => {})
  }

  // The writer calls back in the same turn in which a commit ends, so nothing is appended behind a record that failed.

  #take(record: CheckedRecord): void {
    const bytes = this.#inlet.append(record, {
      resolve: (offset) => {
        this.#pendingBytes -= bytes
        this.#acknowledged++
        this.#firstOffset ??= offset
        this.#lastOffset = offset
      },
      reject: (error) => {
        this.#pendingBytes -= bytes
        this.#fail(error)
      },
    })
    this.#pendingBytes += bytes
    this.#turnBytes += bytes
    this.#taken++
  }

  async #pendingAtMost(bytes: number): Promise<void> {
    while (this.#pendingBytes > bytes) await this.#inlet.settled()
  }

  async #letTurn(): Promise<void> {
    this.#turnBytes = 0
    await new Promise(setImmediate)
  }

  #fail(cause: unknown): void {
    this.#failure ??= { cause }
    this.#interrupt()
  }

  /** Closes the source, and waits for that unless the source is still producing a record. */
  async #closeSource(): Promise<void> {
    if (this.#source === 'ended') return
    const close = async (): Promise<unknown> => this.#iterator.return?.()
    // The first failure is the one that is reported.
    const closed = close().catch(() => {})
    if (this.#source === 'idle') await closed
  }
}
