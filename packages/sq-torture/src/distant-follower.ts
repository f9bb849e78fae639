/**
 * One who follows a log from another process. It may be given a commit before its writer knows that it is durable, and
 * is told where that was void after all; what it holds in the end must be what the log holds.
 */
import { DivergedError, LogNotFoundError, OffsetOutOfRangeError, WalIoError } from '@sq/storage'
import type { LogRecord, WalReader } from '@sq/storage'
import { DELETED, Violation } from './history.ts'
import type { Contents, ValueId } from './history.ts'

export interface DistantlyFollowed {
  /** Whether the machine still runs. */
  isAlive(): boolean
  openReader(): Promise<WalReader>
  idOf(record: LogRecord): ValueId
  /** For how many turns of the event loop the follower is busy with a record. */
  busyTurns(): number
}

export class DistantFollower {
  readonly #log: DistantlyFollowed
  readonly #ended: Promise<void>
  readonly #seen = new Map<bigint, ValueId>()
  #next = 0n
  #reader: WalReader | null = null
  #stopped = false
  #inHurry = false
  #failure: unknown = null

  constructor(log: DistantlyFollowed) {
    this.#log = log
    this.#ended = this.#live()
  }

  throwIfFailed(): void {
    if (this.#failure !== null) throw this.#failure
  }

  /** Waits until it has come to the end of a log that holds this; it must then hold the same. */
  async converges(contents: Contents): Promise<void> {
    const end = BigInt(contents.length)
    this.#inHurry = true
    for (let turns = 0; this.#failure === null && this.#next !== end; turns++) {
      if (turns > 1000) throw new Violation(`12: who follows elsewhere stands at ${this.#next}, the log ends at ${end}`)
      await new Promise(setImmediate)
    }
    this.#stopped = true
    await this.#reader?.close()
    await this.#ended
    this.throwIfFailed()
    for (const [offset, id] of this.#seen) {
      const held = contents[Number(offset)]
      if (held !== id && held !== DELETED) {
        throw new Violation(`4: who follows elsewhere holds ${id} at offset ${offset}, the log ${held}`)
      }
    }
  }

  async #live(): Promise<void> {
    while (!this.#stopped && this.#log.isAlive()) {
      try {
        await this.#follow()
      } catch (error) {
        if (this.#stopped || !this.#log.isAlive()) return
        if (!this.#goesOnAfter(error)) {
          this.#failure = error
          return
        }
        await new Promise(setImmediate)
      }
    }
  }

  async #follow(): Promise<void> {
    this.#reader = await this.#log.openReader()
    for await (const record of this.#reader.read({ from: this.#next, follow: true })) {
      if (!this.#log.isAlive()) return
      if (record.offset !== this.#next) throw new Violation(`2: offset ${record.offset} follows ${this.#next - 1n}`)
      this.#seen.set(record.offset, this.#log.idOf(record))
      this.#next = record.offset + 1n
      for (let turns = this.#log.busyTurns(); turns > 0 && !this.#inHurry; turns--) await new Promise(setImmediate)
    }
  }

  /** Whether an error is one that must be expected. */
  #goesOnAfter(error: unknown): boolean {
    if (error instanceof WalIoError || error instanceof LogNotFoundError) {
      // A reading that is begun anew is not told that the last commit of the one before it was void after all.
      this.#seen.clear()
      this.#next = 0n
      return true
    }
    if (error instanceof DivergedError) this.#goBackTo(error.offset)
    else if (!(error instanceof OffsetOutOfRangeError)) return false
    else if (error.firstOffset > this.#next) this.#next = error.firstOffset
    else this.#goBackTo(error.nextOffset)
    return true
  }

  #goBackTo(offset: bigint): void {
    for (const seen of this.#seen.keys()) if (seen >= offset) this.#seen.delete(seen)
    if (offset < this.#next) this.#next = offset
  }
}
