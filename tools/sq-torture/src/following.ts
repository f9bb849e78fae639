/**
 * What all who follow a log do: they go on as long as their process lives, and begin anew after what they must expect.
 * `follower.ts` and `distant-follower.ts` say what they must be given, and what to expect.
 */
import type { LogRecord, ReadOptions, WalReader } from '@sq/storage'
import { Violation } from './history.ts'

/** The log that is followed. */
export interface Followed {
  /** Whether the process of this follower still lives. */
  isAlive(): boolean
  openReader(): Promise<WalReader>
  /** For how many turns of the event loop the follower is busy with a record. */
  busyTurns(): number
}

/** What makes one follower another one. */
interface Manner {
  readonly options?: ReadOptions
  /** Is given each record, the next one each time. Throws where it must not be seen. */
  take(record: LogRecord): void
  /** Whether an error must be expected; it may set where to go on. Throws where something is wrong. */
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
   * Follows until there is nothing amiss any more, which must need no more than some turns of the event loop, and then
   * no longer.
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
