/**
 * The records that a log of numbered records must have after each kill of the appending process. The invariants have
 * the same numbers as in `History`, but this class is for many records, and for a disk without failures.
 */
import { Violation } from '../history.ts'
import type { Life } from './life.ts'
import { isWholeAppends } from './plan.ts'
import type { AppenderTask } from './protocol.ts'

export class Ledger {
  /** The serial numbers by offset, as last read. */
  #held: readonly number[] = []

  get held(): readonly number[] {
    return this.#held
  }

  /** Compares the log with what is known, and with the reports of the killed process. */
  survived({ planSeed, firstSerial }: AppenderTask, life: Life, found: readonly number[]): void {
    const before = this.#held.length
    const changed = this.#held.findIndex((serial, offset) => found[offset] !== serial)
    if (changed !== -1) {
      const now = found[changed] ?? 'none'
      throw new Violation(`1 or 4: offset ${changed} had record ${this.#held[changed]}, and now has ${now}`)
    }
    if (life.openedAt !== null && life.openedAt !== before) {
      throw new Violation(`4: the log had ${before} records before recovery, and ${life.openedAt} after it`)
    }
    if (found.length < life.nextOffset) {
      throw new Violation(`1: ${life.nextOffset} records were acknowledged, but the log has ${found.length}`)
    }
    if (life.openedAt === null && found.length > before) {
      throw new Violation(`2: the log had ${before} records, and without any append it has ${found.length}`)
    }
    const strange = found.findIndex((serial, offset) => offset >= before && serial !== firstSerial + offset - before)
    if (strange !== -1) {
      throw new Violation(
        `2: offset ${strange} has record ${found[strange]}, expected ${firstSerial + strange - before}`,
      )
    }
    if (!isWholeAppends(planSeed, found.length - before)) {
      throw new Violation(`2: the log has only a part of the batch at its end, offset ${found.length - 1}`)
    }
    this.#held = found
  }
}
