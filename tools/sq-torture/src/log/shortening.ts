/** Deletions, truncations and resets of a log under test: what they must remove, and what must stay. */
import type { ManualClock } from '@sq/sim'
import { ClockSuspectError, OpaqueBatchError } from '@sq/storage'
import type { RetentionPolicy, WalWriter } from '@sq/storage'
import { DELETED, Violation } from '../history.ts'
import type { History, ValueTable } from '../history.ts'
import type { ProcessFileSystem } from '../process-file-system.ts'
import type { Appended } from './appended.ts'
import type { Tailing } from './tailing.ts'

/** The log that is shortened, and the process that has it open. */
interface OpenLog {
  readonly history: History
  readonly values: ValueTable
  readonly clock: ManualClock
  readonly tailing: Pick<Tailing, 'cutting'>
  readonly appended: Appended
  process(): ProcessFileSystem
  /** The writer, which must be open. */
  writer(): WalWriter
  /** The first offset of the log, from its directory. */
  firstOffset(): number
}

export class Shortening {
  readonly #log: OpenLog
  /** Whether the wall clock was ever wrong. A segment that was created while it was wrong states a wrong time. */
  #wasClockWrong = false

  constructor(log: OpenLog) {
    this.#log = log
  }

  /** Deletes by a policy. Without one, all segments but the active one. */
  async deleteSegments(policy: RetentionPolicy = { maxTotalBytes: 0 }): Promise<void> {
    const firstOffset = this.#log.firstOffset()
    const isResetUnfinished = this.#isResetUnfinished
    this.#log.history.deleting()
    try {
      await this.#log.process().whileAlive(() => this.#log.writer().deleteSegments(policy))
    } catch (error) {
      if (error instanceof ClockSuspectError && this.#log.firstOffset() > firstOffset && !isResetUnfinished) {
        throw new Violation(`11: segments were deleted by a clock that is refused: ${error.message}`, { cause: error })
      }
      this.#log.history.deletionFailed()
      throw error
    }
    this.#log.history.deleted(this.#log.firstOffset())
  }

  /**
   * Deletes by age what is stamped before a time, by a clock that may be wrong by that much. Nothing else may be
   * deleted.
   */
  async deleteByAge({ keepFromMs, aheadMs = 0 }: { keepFromMs: number; aheadMs?: number }): Promise<void> {
    const { clock } = this.#log
    // A deletion of records that failed may have taken effect.
    const firstOffset = Math.max(this.#log.firstOffset(), Number(this.#log.writer().logStartOffset))
    const rightMs = clock.now()
    const isKnown = (aheadMs === 0 || !this.#wasClockWrong) && !this.#isResetUnfinished
    this.#wasClockWrong ||= aheadMs > 0
    clock.setNow(rightMs + aheadMs)
    try {
      await this.deleteSegments({ maxAgeMs: rightMs - keepFromMs })
    } finally {
      clock.setNow(rightMs)
    }
    const end = isKnown ? this.#log.firstOffset() : firstOffset
    for (let offset = firstOffset; offset < end; offset++) {
      const timestampMs = this.#log.appended.timestampMs(offset)
      if (timestampMs < keepFromMs) continue
      throw new Violation(
        `1: offset ${offset}, stamped ${timestampMs}, was deleted with all that is before ${keepFromMs}`,
      )
    }
  }

  /** Deletes the records before an offset, and nothing else. */
  async deleteRecords(before: number): Promise<void> {
    const { history } = this.#log
    const writer = this.#log.writer()
    const deletion = history.deletingRecords(before)
    await this.#log.process().whileAlive(() => writer.deleteRecords(BigInt(before)))
    history.deletedRecords(deletion)
    if (history.isReset(deletion)) return
    if (Number(writer.logStartOffset) < before || this.#log.firstOffset() < before) {
      throw new Violation(
        `11: the log begins at ${this.#log.firstOffset()} after all records before ${before} were deleted`,
      )
    }
  }

  /** Drops all records from an offset on. Refused inside an opaque batch. */
  async truncate(offset: number): Promise<void> {
    const writer = this.#log.writer()
    const isInside = this.#log.values.continuesBatch(this.#log.history.acknowledged[offset])
    this.#log.tailing.cutting(offset)
    this.#log.history.truncating(offset)
    this.#log.appended.forgetFrom(offset)
    try {
      await this.#log.process().whileAlive(() => writer.truncate(BigInt(offset)))
    } catch (error) {
      this.#log.history.truncationFailed({ offset, nextOffset: writer.nextOffset })
      if (isInside && error instanceof OpaqueBatchError) return
      throw error
    }
    if (isInside) throw new Violation(`11: the log was truncated at offset ${offset}, inside an opaque batch`)
    this.#log.appended.forgetFrom(offset)
    this.#log.history.truncated(offset)
  }

  /** Drops all records, and continues at an offset that is not the log end offset. */
  async reset(offset: number): Promise<void> {
    const writer = this.#log.writer()
    this.#log.tailing.cutting(0)
    this.#log.history.resetting(offset)
    try {
      await this.#log.process().whileAlive(() => writer.resetTo(BigInt(offset)))
    } catch (error) {
      this.#log.history.resetFailed({ offset, nextOffset: writer.nextOffset })
      if (writer.nextOffset === BigInt(offset)) this.#log.appended.forgetFrom(0)
      throw error
    }
    this.#log.appended.forgetFrom(0)
    this.#log.history.reset(offset)
  }

  /** Whether the directory still begins with a segment from before a reset that failed. The next call completes it. */
  get #isResetUnfinished(): boolean {
    const firstOffset = this.#log.firstOffset()
    const { acknowledged } = this.#log.history
    return firstOffset > acknowledged.length || acknowledged[firstOffset] === DELETED
  }
}
