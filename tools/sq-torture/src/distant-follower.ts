/**
 * A reader in another process that tails a log. Unless it uses `durableOnly`, it may get a commit before the writer
 * knows that it is durable, and records that are truncated later. It is told when such records are rolled back. In the
 * end, its records must be those of the log.
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
  /** Whether it uses `durableOnly`. */
  readonly durableOnly: boolean
}

export class DistantFollower {
  readonly #log: DistantlyFollowed
  readonly #following: Following
  /** The records that it has. */
  readonly #held = new Map<bigint, ValueId>()
  /** The records that it got as durable, including those that were rolled back later. */
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

  /** The records that no power cut may take back: got as durable, and before every truncation. */
  get mustStay(): ReadonlyMap<bigint, ValueId> {
    const cut = Math.min(...this.#log.cuts)
    return new Map([...this.#givenAsDurable].filter(([offset]) => offset < cut))
  }

  /**
   * Must soon reach the end of a log with these contents, whose last record is in an unconfirmed commit of its own, and
   * have the same records. Then it stops.
   */
  async converges(contents: Contents): Promise<void> {
    const end = BigInt(this.#log.durableOnly ? contents.length - 1 : contents.length)
    await this.#following.until(() => this.#differsFrom(contents, end))
  }

  #differsFrom(contents: Contents, end: bigint): Violation | null {
    const { next } = this.#following
    if (next !== end)
      return new Violation(`12: the tailing reader in another process is at offset ${next}, expected ${end}`)
    for (const [offset, id] of this.#held) {
      const stands = contents[Number(offset)]
      if (stands === id || stands === DELETED) continue
      return new Violation(
        `4: the tailing reader in another process has ${id} at offset ${offset}, the log has ${stands}`,
      )
    }
    return null
  }

  /** Whether an error is expected. */
  #goesOnAfter(error: unknown): boolean {
    const { cuts, durableOnly } = this.#log
    const following = this.#following
    if (error instanceof WalIoError || error instanceof LogNotFoundError) this.#beginAnew()
    else if (error instanceof DivergedError) {
      if (durableOnly && cuts.length === 0)
        throw new Violation('7: records that were returned as durable were rolled back')
      // During a truncation it may be told an offset that is too large.
      if (cuts.length > 0) this.#beginAnew()
      else this.#goBackTo(error.offset)
    } else if (!(error instanceof OffsetOutOfRangeError)) return false
    else if (error.firstOffset > following.next) {
      following.next = error.firstOffset
      // After the deletion nothing in the log shows that some of this was truncated before.
      if (cuts.length > 0) this.#held.clear()
    } else if (cuts.length > 0) this.#beginAnew()
    else this.#goBackTo(error.nextOffset)
    return true
  }

  /** A new iteration is not told which records of the last one were rolled back. */
  #beginAnew(): void {
    this.#held.clear()
    this.#following.next = 0n
  }

  #goBackTo(offset: bigint): void {
    for (const held of this.#held.keys()) if (held >= offset) this.#held.delete(held)
    if (offset < this.#following.next) this.#following.next = offset
  }
}
