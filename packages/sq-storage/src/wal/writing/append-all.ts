/**
 * Appends the records of a whole source, as fast as the disk takes them and no faster: the work of
 * `WalWriter.appendAll`. It sees the writer as an `Inlet`.
 */
import { setImmediate } from 'node:timers'
import { show } from '../../config.ts'
import { AppendAllError, BacklogFullError } from '../../errors.ts'
import type { CheckedRecord, RecordInput } from '../format/record.ts'
import { placed } from './bad-record.ts'
import type { Waiter } from './commit.ts'

/** Whoever has much at hand lets the event loop turn after so much of it: there commits begin, and others live. */
const TURN_BYTES = 256 * 1024

/** Where records come from. */
export type RecordSource = AsyncIterable<RecordInput> | Iterable<RecordInput>

/** What became of a source that was appended to its end. */
export interface AppendedRecords {
  readonly records: number
  /** The offsets of its first and its last record; null where it had none. Records of other callers may lie between. */
  readonly firstOffset: bigint | null
  readonly lastOffset: bigint | null
}

/** A writer, as a source sees it. */
export interface Inlet {
  /** When a source has so many bytes waiting, it waits itself. */
  readonly windowBytes: number
  /** Reads a record's parts. Throws a `BadPart`. */
  check(record: RecordInput): CheckedRecord
  /**
   * Takes a record, and returns what it counts for in `windowBytes`. Throws, with nothing taken, what `append` would,
   * and a `BadPart`.
   */
  append(record: CheckedRecord, waiter: Waiter): number
  /** Resolves when the next commit has succeeded or failed. Only to be called while something waits. */
  settled(): Promise<void>
}

/** Appends all records of a source. Rejects with a `TypeError` where it is none, else with an `AppendAllError`. */
export async function appendAll(source: RecordSource, inlet: Inlet): Promise<AppendedRecords> {
  return new Intake(iteratorOf(source), inlet).run()
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
  /** What was appended since the event loop turned. */
  #turnBytes = 0
  #taken = 0
  #acknowledged = 0
  #firstOffset: bigint | null = null
  #lastOffset: bigint | null = null
  /** The first thing that went wrong. From then on nothing is pulled or appended. */
  #failure: { readonly cause: unknown } | null = null
  /** Ends the wait for the source. */
  #interrupt = (): void => {}

  constructor(iterator: RecordIterator, inlet: Inlet) {
    this.#iterator = iterator
    this.#inlet = inlet
  }

  async run(): Promise<AppendedRecords> {
    for (let pulled = await this.#pull(); pulled !== null; pulled = await this.#pull()) {
      await this.#append(pulled.record)
      await this.#pendingAtMost(this.#inlet.windowBytes)
      if (this.#turnBytes >= TURN_BYTES) await this.#letTurn()
    }
    if (this.#failure !== null) await this.#closeSource()
    await this.#pendingAtMost(0)
    const [records, lastOffset] = [this.#acknowledged, this.#lastOffset]
    if (this.#failure !== null) throw new AppendAllError({ records, lastOffset }, this.#failure.cause)
    return { records, firstOffset: this.#firstOffset, lastOffset }
  }

  /** The next record; null at the source's end, and as soon as something failed, however long the source takes. */
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

  /** Appends a record as soon as there is room for it, whoever else fills the backlog. */
  async #append(record: RecordInput): Promise<void> {
    let checked: CheckedRecord | null = null
    while (this.#failure === null) {
      try {
        checked ??= this.#inlet.check(record)
        return this.#take(checked)
      } catch (error) {
        const from = { of: 'source', firstIndex: this.#taken } as const
        if (!(error instanceof BacklogFullError)) return this.#fail(placed(error, from))
      }
      await this.#inlet.settled()
    }
  }

  // The writer calls back in the turn in which a commit ends. So nothing is appended behind a record that failed.

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

  /** Tells the source that no more is wanted of it, and waits for that, unless it is at work on a record still. */
  async #closeSource(): Promise<void> {
    if (this.#source === 'ended') return
    const close = async (): Promise<unknown> => this.#iterator.return?.()
    // The first failure is the one that is told.
    const closed = close().catch(() => {})
    if (this.#source === 'idle') await closed
  }
}
