/** The longest pauses of a log: times without a record between one record and the next. */

/** A pause before the record at `offset`, which begins at the largest timestamp before it. */
export interface Pause {
  readonly offset: number
  readonly fromMs: number
  readonly toMs: number
}

export class Pauses {
  readonly #limit: number
  /** The longest first. */
  readonly #longest: Pause[] = []
  #latestMs = -Infinity
  #outOfOrder = 0

  /** Keeps the `limit` longest ones. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** The next record of the log. A record with an earlier timestamp than one before it ends no pause. */
  add(offset: number, timestampMs: number): void {
    if (timestampMs < this.#latestMs) {
      this.#outOfOrder++
      return
    }
    const fromMs = this.#latestMs
    this.#latestMs = timestampMs
    if (fromMs === -Infinity || timestampMs === fromMs) return
    const shortest = this.#longest.at(-1)
    const isFull = this.#longest.length >= this.#limit
    if (isFull && shortest !== undefined && lengthOf(shortest) >= timestampMs - fromMs) return
    if (isFull) this.#longest.pop()
    this.#longest.push({ offset, fromMs, toMs: timestampMs })
    this.#longest.sort((left, right) => lengthOf(right) - lengthOf(left))
  }

  /** There is a record with this timestamp before the next that is added. */
  reached(timestampMs: number): void {
    this.#latestMs = Math.max(this.#latestMs, timestampMs)
  }

  get longest(): readonly Pause[] {
    return this.#longest
  }

  /** The number of records with an earlier timestamp than one before them. */
  get outOfOrder(): number {
    return this.#outOfOrder
  }
}

function lengthOf({ fromMs, toMs }: Pause): number {
  return toMs - fromMs
}
