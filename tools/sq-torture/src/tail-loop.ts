/**
 * The loop that both tailing readers share. It runs until the process of the reader dies, and starts a new iteration
 * after an expected error. `in-process-reader.ts` and `other-process-reader.ts` check the records, and know which
 * errors are expected.
 */
import type { LogRecord, ReadOptions, WalReader } from '@sq/storage'
import { Violation } from './history.ts'

/** The log that is read. */
export interface TailedLog {
  /** Whether the process of the reader is alive. */
  isAlive(): boolean
  openReader(): Promise<WalReader>
  /** The turns of the event loop that the reader spends on a record. */
  busyTurns(): number
}

/** The part that differs between tailing readers. */
interface TailHandler {
  readonly options?: ReadOptions
  /** Called with each record, in order. Throws if the record must not be visible. */
  onRecord(record: LogRecord): void
  /** Whether an error is expected. May set `next`, where the next iteration starts. Throws a `Violation`. */
  isExpected(error: unknown): boolean
}

export class TailLoop {
  /** The offset of the next record. */
  next = 0n
  readonly #log: TailedLog
  readonly #handler: TailHandler
  readonly #ended: Promise<void>
  #reader: WalReader | null = null
  #stopped = false
  #inHurry = false
  #failure: unknown = null

  constructor(log: TailedLog, handler: TailHandler) {
    this.#log = log
    this.#handler = handler
    this.#ended = this.#run()
  }

  throwIfFailed(): void {
    if (this.#failure !== null) throw this.#failure
  }

  /** Reads until `check` finds no violation, and then stops. Throws the violation if that takes too many turns. */
  async until(check: () => Violation | null): Promise<void> {
    this.#inHurry = true
    let violation = check()
    for (let turns = 0; this.#failure === null && violation !== null; turns++) {
      if (turns > 1000) throw violation
      await new Promise(setImmediate)
      violation = check()
    }
    this.throwIfFailed()
    this.#stopped = true
    await this.#reader?.close()
    await this.#ended
    this.throwIfFailed()
  }

  async #run(): Promise<void> {
    try {
      while (!this.#stopped && this.#log.isAlive()) await this.#iterateOnce()
    } catch (error) {
      this.#failure = error
    }
  }

  async #iterateOnce(): Promise<void> {
    try {
      await this.#iterate()
    } catch (error) {
      if (this.#stopped || !this.#log.isAlive()) return
      if (!this.#handler.isExpected(error)) throw error
      await new Promise(setImmediate)
    }
  }

  async #iterate(): Promise<void> {
    this.#reader = await this.#log.openReader()
    for await (const record of this.#reader.read({ ...this.#handler.options, from: this.next, follow: true })) {
      if (!this.#log.isAlive()) return
      if (record.offset !== this.next) throw new Violation(`2: offset ${record.offset} follows ${this.next - 1n}`)
      this.#handler.onRecord(record)
      this.next = record.offset + 1n
      for (let turns = this.#log.busyTurns(); turns > 0 && !this.#inHurry; turns--) await new Promise(setImmediate)
    }
  }
}
