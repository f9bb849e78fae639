/**
 * One who follows a log from another process. It may be given a commit before its writer knows that it is durable,
 * unless it wants only what is durable, and may be given what is then truncated. It is told where that was void after
 * all: what it holds in the end must be what the log holds.
 */
import { DivergedError, LogNotFoundError, OffsetOutOfRangeError, WalIoError } from '@sq/storage'
import type { LogRecord } from '@sq/storage'
import { Following } from './following.ts'
import type { Followed } from './following.ts'
import { DELETED, Violation } from './history.ts'
import type { Contents, ValueId } from './history.ts'

export interface DistantlyFollowed extends Followed {
  idOf(record: LogRecord): ValueId
  /** The offsets that the log was truncated to, or may have been. */
  readonly cuts: readonly number[]
  /** Whether only what is durable is wanted. */
  readonly durableOnly: boolean
}

export class DistantFollower {
  readonly #log: DistantlyFollowed
  readonly #following: Following
  /** What it holds. */
  readonly #held = new Map<bigint, ValueId>()
  /** What it was given as durable, whatever it was told later. */
  readonly #givenAsDurable = new Map<bigint, ValueId>()

  constructor(log: DistantlyFollowed) {
    this.#log = log
    const { durableOnly } = log
    this.#following = new Following(log, {
      options: { durableOnly },
      take: (record) => {
        const id = log.idOf(record)
        this.#held.set(record.offset, id)
        if (durableOnly) this.#givenAsDurable.set(record.offset, id)
      },
      goesOnAfter: (error) => this.#goesOnAfter(error),
    })
  }

  throwIfFailed(): void {
    this.#following.throwIfFailed()
  }

  /** What no power cut may take back, whenever it comes: given as durable, and before all truncations. */
  get mustStay(): ReadonlyMap<bigint, ValueId> {
    const cut = Math.min(...this.#log.cuts)
    return new Map([...this.#givenAsDurable].filter(([offset]) => offset < cut))
  }

  /**
   * Comes to the end of a log that holds this, the last record in a commit of its own that nothing proves, and to hold
   * the same, soon; and then follows it no more.
   */
  async converges(contents: Contents): Promise<void> {
    const end = BigInt(this.#log.durableOnly ? contents.length - 1 : contents.length)
    await this.#following.until(() => this.#differsFrom(contents, end))
  }

  #differsFrom(contents: Contents, end: bigint): Violation | null {
    const { next } = this.#following
    if (next !== end) return new Violation(`12: who follows elsewhere stands at ${next}, expected ${end}`)
    for (const [offset, id] of this.#held) {
      const stands = contents[Number(offset)]
      if (stands === id || stands === DELETED) continue
      return new Violation(`4: who follows elsewhere holds ${id} at offset ${offset}, the log ${stands}`)
    }
    return null
  }

  /** Whether an error is one that must be expected. */
  #goesOnAfter(error: unknown): boolean {
    const { cuts, durableOnly } = this.#log
    const following = this.#following
    if (error instanceof WalIoError || error instanceof LogNotFoundError) this.#beginAnew()
    else if (error instanceof DivergedError) {
      if (durableOnly && cuts.length === 0) throw new Violation('7: what was given as durable turned out to be void')
      // Of a truncation that is under way it may be told too late an offset.
      if (cuts.length > 0) this.#beginAnew()
      else this.#goBackTo(error.offset)
    } else if (!(error instanceof OffsetOutOfRangeError)) return false
    else if (error.firstOffset > following.next) {
      following.next = error.firstOffset
      // Nothing is left by which it could be told that some of this was truncated before it was deleted.
      if (cuts.length > 0) this.#held.clear()
    } else if (cuts.length > 0) this.#beginAnew()
    else this.#goBackTo(error.nextOffset)
    return true
  }

  /** A reading that is begun anew is not told what of the one before it was void after all. */
  #beginAnew(): void {
    this.#held.clear()
    this.#following.next = 0n
  }

  #goBackTo(offset: bigint): void {
    for (const held of this.#held.keys()) if (held >= offset) this.#held.delete(held)
    if (offset < this.#following.next) this.#following.next = offset
  }
}
