/** A tailing reader in the writer's process. It compares every record with the history, until its process dies. */
import { DivergedError, LogNotFoundError, OffsetOutOfRangeError, WalIoError } from '@sq/storage'
import { TailLoop } from './tail-loop.ts'
import type { TailedLog } from './tail-loop.ts'
import { Violation } from '../history.ts'
import type { FoundRecord } from './found-records.ts'

export interface InProcessLog extends TailedLog {
  /** An iteration begins. */
  begins(): void
  /** Throws if a record must not be visible now. */
  check(record: FoundRecord): void
  /** The offsets that the log was truncated to, or may have been. */
  readonly cuts: readonly number[]
  /** Grows when the deletion of the log begins, and when it is done. */
  deletions(): number
}

export class InProcessReader {
  readonly #log: InProcessLog
  readonly #loop: TailLoop
  #cutsSeen: number
  #deletionsSeen: number

  constructor(log: InProcessLog) {
    this.#log = log
    this.#cutsSeen = log.cuts.length
    this.#deletionsSeen = log.deletions()
    this.#loop = new TailLoop(log, {
      onBegin: () => log.begins(),
      onRecord: (record) => log.check(record),
      isExpected: (error) => this.#isExpected(error),
    })
  }

  throwIfFailed(): void {
    this.#loop.throwIfFailed()
  }

  /** Checks that it soon reaches the end of the log, and stops it. */
  async reaches(nextOffset: bigint): Promise<void> {
    const loop = this.#loop
    await loop.until(() =>
      loop.next === nextOffset
        ? null
        : new Violation(`12: a tailing reader is at offset ${loop.next}, but the log ends at ${nextOffset}`),
    )
  }

  /** Whether an error is expected. */
  #isExpected(error: unknown): boolean {
    const { cuts } = this.#log
    const deletions = this.#log.deletions()
    const loop = this.#loop
    // A new iteration knows nothing of earlier truncations. The last one may have begun after it.
    const cut = Math.min(...cuts.slice(Math.max(this.#cutsSeen - 1, 0)))
    this.#cutsSeen = cuts.length
    const isCut = cut < loop.next
    if (isCut) loop.next = BigInt(cut)
    const isReplaced = deletions > this.#deletionsSeen
    this.#deletionsSeen = deletions
    if (error instanceof WalIoError) return true
    if (error instanceof LogNotFoundError) return deletions > 0
    // Another log in its place may differ from anywhere on.
    if (error instanceof DivergedError) return isReplaced || cuts.some((offset) => error.offset === BigInt(offset))
    if (!(error instanceof OffsetOutOfRangeError)) return false
    if (error.firstOffset > loop.next) {
      loop.next = error.firstOffset
      return true
    }
    return isCut
  }
}
