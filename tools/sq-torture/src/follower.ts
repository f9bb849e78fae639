/** A reader that tails a log until its process dies, and compares every record with the history. */
import { DivergedError, OffsetOutOfRangeError, WalIoError } from '@sq/storage'
import type { LogRecord } from '@sq/storage'
import { Following } from './following.ts'
import type { Followed } from './following.ts'
import { Violation } from './history.ts'

export interface CloselyFollowed extends Followed {
  /** Throws if a record must not be visible now. */
  check(record: LogRecord): void
  /** The offsets that the log was truncated to, or may have been. */
  readonly cuts: readonly number[]
}

export class Follower {
  readonly #log: CloselyFollowed
  readonly #following: Following
  #cutsSeen: number

  constructor(log: CloselyFollowed) {
    this.#log = log
    this.#cutsSeen = log.cuts.length
    this.#following = new Following(log, {
      take: (record) => log.check(record),
      goesOnAfter: (error) => this.#goesOnAfter(error),
    })
  }

  throwIfFailed(): void {
    this.#following.throwIfFailed()
  }

  /** Must soon reach the end of the log, and then stops. */
  async reaches(nextOffset: bigint): Promise<void> {
    const following = this.#following
    await following.until(() =>
      following.next === nextOffset
        ? null
        : new Violation(`12: a tailing reader is at offset ${following.next}, but the log ends at ${nextOffset}`),
    )
  }

  /** Whether a tailing reader must expect an error. */
  #goesOnAfter(error: unknown): boolean {
    const { cuts } = this.#log
    const following = this.#following
    // A new iteration knows nothing of earlier truncations. The last one may have begun after it.
    const cut = Math.min(...cuts.slice(Math.max(this.#cutsSeen - 1, 0)))
    this.#cutsSeen = cuts.length
    const isCut = cut < following.next
    if (isCut) following.next = BigInt(cut)
    if (error instanceof WalIoError) return true
    if (error instanceof DivergedError) return cuts.some((offset) => error.offset === BigInt(offset))
    if (!(error instanceof OffsetOutOfRangeError)) return false
    if (error.firstOffset > following.next) {
      following.next = error.firstOffset
      return true
    }
    return isCut
  }
}
