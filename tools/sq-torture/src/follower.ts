/** One who follows a log as long as its process lives, and holds every record it is given against the history. */
import { DivergedError, OffsetOutOfRangeError, WalIoError } from '@sq/storage'
import type { LogRecord } from '@sq/storage'
import { Following } from './following.ts'
import type { Followed } from './following.ts'
import { Violation } from './history.ts'

export interface CloselyFollowed extends Followed {
  /** Throws where a record cannot be seen now. */
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

  /** Comes to the end of the log, soon, and then follows it no more. */
  async reaches(nextOffset: bigint): Promise<void> {
    const following = this.#following
    await following.until(() =>
      following.next === nextOffset
        ? null
        : new Violation(`12: who follows stands at ${following.next}, the log ends at ${nextOffset}`),
    )
  }

  /** Whether an error is one that a follower must expect. */
  #goesOnAfter(error: unknown): boolean {
    const { cuts } = this.#log
    const following = this.#following
    // A reading that is begun anew knows nothing of truncations before it; the last one may not have begun when it was.
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
