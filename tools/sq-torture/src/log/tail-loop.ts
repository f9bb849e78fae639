/**
 * The loop that both tailing readers share. It runs until the process of the reader dies, and starts a new iteration
 * after an expected error. `in-process-reader.ts` and `other-process-reader.ts` check the records, and know which
 * errors are expected.
 */
import type { ReadOptions, WalReader } from '@sq/storage'
import { Violation } from '../history.ts'
import type { ValueTable } from '../history.ts'
import { foundRecord, recordsIn } from './found-records.ts'
import type { FoundRecord } from './found-records.ts'

/** The log that is read. */
export interface TailedLog {
  /** Whether the process of the reader is alive. */
  isAlive(): boolean
  openReader(): Promise<WalReader>
  /** The turns of the event loop that the reader spends on a record. */
  busyTurns(): number
  readonly values: ValueTable
  /** Whether the reader reads batches. If it does not, no batch may be opaque. */
  readonly inBatches: boolean
}

/** The part that differs between tailing readers. */
interface TailHandler {
  readonly options?: ReadOptions
  /** Called when an iteration begins. */
  onBegin?(): void
  /** Called with each record, in order. Throws if the record must not be visible. */
  onRecord(record: FoundRecord): void
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
    const { values, inBatches } = this.#log
    this.#handler.onBegin?.()
    this.#reader = await this.#log.openReader()
    const range = { ...this.#handler.options, from: this.next, follow: true }
    if (inBatches) {
      for await (const batch of this.#reader.readBatches({ ...range, exact: true })) {
        for (const record of recordsIn(batch, values)) {
          // An opaque batch is returned whole.
          if (record.isOpaque && record.offset < this.next) continue
          if (!this.#log.isAlive()) return
          await this.#take(record)
        }
      }
      return
    }
    for await (const record of this.#reader.read(range)) {
      if (!this.#log.isAlive()) return
      await this.#take(foundRecord(record, values))
    }
  }

  async #take(record: FoundRecord): Promise<void> {
    if (record.offset !== Number(this.next)) throw new Violation(`2: offset ${record.offset} follows ${this.next - 1n}`)
    this.#handler.onRecord(record)
    this.next++
    for (let turns = this.#log.busyTurns(); turns > 0 && !this.#inHurry; turns--) await new Promise(setImmediate)
  }
}
