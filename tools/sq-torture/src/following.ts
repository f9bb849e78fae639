/**
 * The common part of the tailing readers: they run until their process dies, and start a new iteration after an
 * expected error. `follower.ts` and `distant-follower.ts` check the records and say which errors are expected.
 */
import type { LogRecord, ReadOptions, WalReader } from '@sq/storage'
import { Violation } from './history.ts'

/** The log that is read. */
export interface Followed {
  /** Whether the process of this reader is alive. */
  isAlive(): boolean
  openReader(): Promise<WalReader>
  /** The turns of the event loop that the reader spends on a record. */
  busyTurns(): number
}

/** The part that differs between tailing readers. */
interface Manner {
  readonly options?: ReadOptions
  /** Gets each record in order. Throws if it must not be visible. */
  take(record: LogRecord): void
  /** Whether an error is expected. May set the offset to continue at. Throws a `Violation`. */
  goesOnAfter(error: unknown): boolean
}

export class Following {
  /** The offset of the next record. */
  next = 0n
  readonly #log: Followed
  readonly #manner: Manner
  readonly #ended: Promise<void>
  #reader: WalReader | null = null
  #stopped = false
  #inHurry = false
  #failure: unknown = null

  constructor(log: Followed, manner: Manner) {
    this.#log = log
    this.#manner = manner
    this.#ended = this.#live()
  }

  throwIfFailed(): void {
    if (this.#failure !== null) throw this.#failure
  }

  /**
   * Reads until nothing is missing, which may take only some turns of the event loop, and then stops.
   */
  async until(amiss: () => Violation | null): Promise<void> {
    this.#inHurry = true
    let violation = amiss()
    for (let turns = 0; this.#failure === null && violation !== null; turns++) {
      if (turns > 1000) throw violation
      await new Promise(setImmediate)
      violation = amiss()
    }
    this.throwIfFailed()
    this.#stopped = true
    await this.#reader?.close()
    await this.#ended
    this.throwIfFailed()
  }

  async #live(): Promise<void> {
    try {
      while (!this.#stopped && this.#log.isAlive()) await this.#followOn()
    } catch (error) {
      this.#failure = error
    }
  }

  async #followOn(): Promise<void> {
    try {
      await this.#follow()
    } catch (error) {
      if (this.#stopped || !this.#log.isAlive()) return
      if (!this.#manner.goesOnAfter(error)) throw error
      await new Promise(setImmediate)
    }
  }

  async #follow(): Promise<void> {
    this.#reader = await this.#log.openReader()
    for await (const record of this.#reader.read({ ...this.#manner.options, from: this.next, follow: true })) {
      if (!this.#log.isAlive()) return
      if (record.offset !== this.next) throw new Violation(`2: offset ${record.offset} follows ${this.next - 1n}`)
      this.#manner.take(record)
      this.next = record.offset + 1n
      for (let turns = this.#log.busyTurns(); turns > 0 && !this.#inHurry; turns--) await new Promise(setImmediate)
    }
  }
}
