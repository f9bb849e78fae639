/** One who follows a log as long as its process lives, and holds every record it is given against the history. */
import { DivergedError, OffsetOutOfRangeError, WalIoError } from '@sq/storage'
import type { LogRecord, WalReader } from '@sq/storage'
import { Violation } from './history.ts'

/** The log it follows. */
export interface Followed {
  /** Whether the process of this follower still lives. */
  isAlive(): boolean
  openReader(): Promise<WalReader>
  /** Throws where a record cannot be seen now. */
  check(record: LogRecord): void
  /** The offsets that the log was truncated to, or may have been. */
  readonly cuts: readonly number[]
  /** For how many turns of the event loop the follower is busy with a record. */
  busyTurns(): number
}

export class Follower {
  readonly #log: Followed
  readonly #ended: Promise<void>
  #next = 0n
  #cutsSeen: number
  #reader: WalReader | null = null
  #stopped = false
  #inHurry = false
  #failure: unknown = null

  constructor(log: Followed) {
    this.#log = log
    this.#cutsSeen = log.cuts.length
    this.#ended = this.#live()
  }

  /** Waits until it has seen all before an offset; it must need no more than some turns of the event loop. */
  async reaches(nextOffset: bigint): Promise<void> {
    this.#inHurry = true
    for (let turns = 0; this.#failure === null && this.#next !== nextOffset; turns++) {
      if (turns > 1000) throw new Violation(`12: who follows stands at ${this.#next}, the log ends at ${nextOffset}`)
      await new Promise(setImmediate)
    }
    this.throwIfFailed()
  }

  throwIfFailed(): void {
    if (this.#failure !== null) throw this.#failure
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#reader?.close()
    await this.#ended
    this.throwIfFailed()
  }

  async #live(): Promise<void> {
    while (!this.#stopped && this.#log.isAlive()) {
      try {
        await this.#follow()
      } catch (error) {
        if (this.#stopped || !this.#log.isAlive()) return
        if (this.#goesOnAfter(error)) continue
        this.#failure = error
        return
      }
    }
  }

  async #follow(): Promise<void> {
    this.#reader = await this.#log.openReader()
    for await (const record of this.#reader.read({ from: this.#next, follow: true })) {
      if (!this.#log.isAlive()) return
      if (record.offset !== this.#next) throw new Violation(`2: offset ${record.offset} follows ${this.#next - 1n}`)
      this.#log.check(record)
      this.#next = record.offset + 1n
      for (let turns = this.#log.busyTurns(); turns > 0 && !this.#inHurry; turns--) await new Promise(setImmediate)
    }
  }

  /** Whether an error is one that a follower must expect. */
  #goesOnAfter(error: unknown): boolean {
    const { cuts } = this.#log
    // A reading that is begun anew knows nothing of truncations before it; the last one may not have begun when it was.
    const cut = Math.min(...cuts.slice(Math.max(this.#cutsSeen - 1, 0)))
    this.#cutsSeen = cuts.length
    const isCut = cut < this.#next
    if (isCut) this.#next = BigInt(cut)
    if (error instanceof WalIoError) return true
    if (error instanceof DivergedError) return cuts.some((offset) => error.offset === BigInt(offset))
    if (!(error instanceof OffsetOutOfRangeError)) return false
    if (error.firstOffset > this.#next) {
      this.#next = error.firstOffset
      return true
    }
    return isCut
  }
}
