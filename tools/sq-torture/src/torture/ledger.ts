/**
 * What a log of numbered records must hold after each life of the process that appends to it. As `History` states the
 * invariants, by the same numbers; but made for many records, and for a disk that refuses nothing.
 */
import { Violation } from '../history.ts'
import type { Life } from './life.ts'
import { isWholeAppends } from './plan.ts'
import type { AppenderTask } from './protocol.ts'

export class Ledger {
  /** The log as it was read last: serial numbers by offset. */
  #held: readonly number[] = []

  get held(): readonly number[] {
    return this.#held
  }

  /** Holds what is found in the log against what is known, and against what a process had said before it died. */
  survived({ planSeed, firstSerial }: AppenderTask, life: Life, found: readonly number[]): void {
    const before = this.#held.length
    const changed = this.#held.findIndex((serial, offset) => found[offset] !== serial)
    if (changed !== -1) {
      const now = found[changed] ?? 'none'
      throw new Violation(`1 or 4: offset ${changed} held record ${this.#held[changed]}, now ${now}`)
    }
    if (life.openedAt !== null && life.openedAt !== before) {
      throw new Violation(`4: ${before} records were there, and after recovery ${life.openedAt}`)
    }
    if (found.length < life.nextOffset) {
      throw new Violation(`1: ${life.nextOffset} records were acknowledged, ${found.length} are there`)
    }
    if (life.openedAt === null && found.length > before) {
      throw new Violation(`2: ${before} records were there, and before any append ${found.length}`)
    }
    const strange = found.findIndex((serial, offset) => offset >= before && serial !== firstSerial + offset - before)
    if (strange !== -1) {
      throw new Violation(`2: offset ${strange} holds record ${found[strange]}, not ${firstSerial + strange - before}`)
    }
    if (!isWholeAppends(planSeed, found.length - before)) {
      throw new Violation(`2: of the batch that ends the log, at offset ${found.length - 1}, only a part is there`)
    }
    this.#held = found
  }
}
