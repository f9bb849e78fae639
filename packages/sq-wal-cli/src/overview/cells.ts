/** A log from its first byte to its last as a row of cells, of bounded length: of a larger log, a cell holds more. */

/** A piece of a log: one commit, other bytes between commits, or several of these. */
export interface Cell {
  readonly bytes: number
  readonly commits: number
  readonly records: number
  /** Bytes that are damaged, and bytes that are torn or ignored. */
  readonly damagedBytes: number
  readonly ignoredBytes: number
  /** The offsets of its first and last record; null without records. */
  readonly firstOffset: number | null
  readonly lastOffset: number | null
  readonly minTimestampMs: number | null
  readonly maxTimestampMs: number | null
}

/** A cell without anything, to be completed. */
export const EMPTY_CELL: Cell = {
  bytes: 0,
  commits: 0,
  records: 0,
  damagedBytes: 0,
  ignoredBytes: 0,
  firstOffset: null,
  lastOffset: null,
  minTimestampMs: null,
  maxTimestampMs: null,
}

/** Two neighbours as one. Nothing of them is lost, in particular no damage. */
export function joined(left: Cell, right: Cell): Cell {
  return {
    bytes: left.bytes + right.bytes,
    commits: left.commits + right.commits,
    records: left.records + right.records,
    damagedBytes: left.damagedBytes + right.damagedBytes,
    ignoredBytes: left.ignoredBytes + right.ignoredBytes,
    firstOffset: left.firstOffset ?? right.firstOffset,
    lastOffset: right.lastOffset ?? left.lastOffset,
    minTimestampMs: extreme(Math.min, left.minTimestampMs, right.minTimestampMs),
    maxTimestampMs: extreme(Math.max, left.maxTimestampMs, right.maxTimestampMs),
  }
}

/** At most twice `limit` cells, in the order of the log. */
export class Cells {
  readonly #limit: number
  #all: Cell[] = []
  /** How many additions a cell holds, except the last one. */
  #perCell = 1
  #inLast = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  get all(): readonly Cell[] {
    return this.#all
  }

  /** Adds what follows in the log. */
  add(cell: Cell): void {
    const last = this.#all.at(-1)
    if (last !== undefined && this.#inLast < this.#perCell) {
      this.#all[this.#all.length - 1] = joined(last, cell)
      this.#inLast++
      return
    }
    if (this.#all.length >= 2 * this.#limit) this.#halve()
    this.#all.push(cell)
    this.#inLast = 1
  }

  #halve(): void {
    const halved: Cell[] = []
    for (let at = 0; at < this.#all.length; at += 2) {
      const [left = EMPTY_CELL, right = EMPTY_CELL] = this.#all.slice(at, at + 2)
      halved.push(joined(left, right))
    }
    this.#all = halved
    this.#perCell *= 2
  }
}

function extreme(
  choose: (left: number, right: number) => number,
  left: number | null,
  right: number | null,
): number | null {
  return left === null || right === null ? (left ?? right) : choose(left, right)
}
