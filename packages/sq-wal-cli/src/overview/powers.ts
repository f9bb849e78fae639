/** A histogram whose classes are powers of two. */

/** How many values there are from `from` to below `2 * from`; the class of 0 holds only 0. */
export interface PowerClass {
  readonly from: number
  readonly count: number
}

export class Powers {
  readonly #counts: number[] = []

  /** `value` is a whole number, 0 or more. */
  add(value: number): void {
    const at = value === 0 ? 0 : Math.floor(Math.log2(value)) + 1
    while (this.#counts.length <= at) this.#counts.push(0)
    this.#counts[at] = (this.#counts[at] ?? 0) + 1
  }

  /** The classes from the first to the last that has a value, also those between without one. */
  classes(): readonly PowerClass[] {
    const first = this.#counts.findIndex((count) => count > 0)
    return this.#counts.map((count, at) => ({ from: at === 0 ? 0 : 2 ** (at - 1), count })).slice(Math.max(first, 0))
  }
}
