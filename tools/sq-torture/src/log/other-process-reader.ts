/**
 * A tailing reader in another process than the writer. Unless it uses `durableOnly`, it may get a commit before the
 * writer knows that it is durable, and records that are truncated later. An error reports that such records were rolled
 * back. In the end, its records must be those of the log.
 */
import { DivergedError, LogNotFoundError, OffsetOutOfRangeError, WalIoError } from '@sq/storage'
import { TailLoop } from './tail-loop.ts'
import type { TailedLog } from './tail-loop.ts'
import { DELETED, Violation } from '../history.ts'
import type { Contents, ValueId } from '../history.ts'

export interface OtherProcessLog extends TailedLog {
  /** The offsets that the log was truncated to, or may have been. */
  readonly cuts: readonly number[]
  /** Whether it uses `durableOnly`. */
  readonly durableOnly: boolean
}

export class OtherProcessReader {
  readonly #log: OtherProcessLog
  readonly #loop: TailLoop
  /** The records that it has. */
  readonly #held = new Map<bigint, ValueId>()
  /** The records that it got as durable, including those that were truncated later. */
  readonly #givenAsDurable = new Map<bigint, ValueId>()

  constructor(log: OtherProcessLog) {
    this.#log = log
    const { durableOnly } = log
    this.#loop = new TailLoop(log, {
      options: { durableOnly },
      onRecord: ({ offset, value }) => {
        this.#held.set(BigInt(offset), value)
        if (durableOnly) this.#givenAsDurable.set(BigInt(offset), value)
      },
      isExpected: (error) => this.#isExpected(error),
    })
  }

  throwIfFailed(): void {
    this.#loop.throwIfFailed()
  }

  /** The records that no power cut may roll back: it got them as durable, and they are before every truncation. */
  get mustStay(): ReadonlyMap<bigint, ValueId> {
    const cut = Math.min(...this.#log.cuts)
    return new Map([...this.#givenAsDurable].filter(([offset]) => offset < cut))
  }

  /**
   * Checks that it soon has exactly the records of a log with these contents, and stops it. The last record must be the
   * only one of an unconfirmed commit.
   */
  async converges(contents: Contents): Promise<void> {
    const end = BigInt(this.#log.durableOnly ? contents.length - 1 : contents.length)
    await this.#loop.until(() => this.#differsFrom(contents, end))
  }

  #differsFrom(contents: Contents, end: bigint): Violation | null {
    const { next } = this.#loop
    if (next !== end)
      return new Violation(`12: the tailing reader in another process is at offset ${next}, expected ${end}`)
    for (const [offset, id] of this.#held) {
      const found = contents[Number(offset)]
      if (found === id || found === DELETED) continue
      return new Violation(
        `4: the tailing reader in another process has ${id} at offset ${offset}, the log has ${found}`,
      )
    }
    return null
  }

  /** Whether an error is expected. */
  #isExpected(error: unknown): boolean {
    const { cuts, durableOnly } = this.#log
    const loop = this.#loop
    if (error instanceof WalIoError || error instanceof LogNotFoundError) this.#startOver()
    else if (error instanceof DivergedError) {
      if (durableOnly && cuts.length === 0)
        throw new Violation('7: records that were returned as durable were rolled back')
      // During a truncation the offset of the error may be too large.
      if (cuts.length > 0) this.#startOver()
      else this.#goBackTo(error.offset)
    } else if (!(error instanceof OffsetOutOfRangeError)) return false
    else if (error.firstOffset > loop.next) {
      loop.next = error.firstOffset
      // After the deletion, nothing in the log shows that some of these records were truncated before.
      if (cuts.length > 0) this.#held.clear()
    } else if (cuts.length > 0) this.#startOver()
    else this.#goBackTo(error.nextOffset)
    return true
  }

  /** Reads from the start: a new iteration does not learn which records of the last one were rolled back. */
  #startOver(): void {
    this.#held.clear()
    this.#loop.next = 0n
  }

  #goBackTo(offset: bigint): void {
    for (const held of this.#held.keys()) if (held >= offset) this.#held.delete(held)
    if (offset < this.#loop.next) this.#loop.next = offset
  }
}
