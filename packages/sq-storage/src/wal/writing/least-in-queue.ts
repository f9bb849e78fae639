/** The least of the numbers in a queue. Each number is looked at a constant number of times, not once for each answer. */

/** A number that is less than all that came after it. */
interface Candidate {
  /** How many numbers came before it. */
  readonly at: number
  readonly value: number
}

export class LeastInQueue {
  /** In the order in which they came; so the first one is the least. */
  readonly #candidates: Candidate[] = []
  #added = 0
  #removed = 0

  /** The least number; Infinity if there is none. */
  get value(): number {
    return this.#candidates[0]?.value ?? Infinity
  }

  /** Adds a number at the end. */
  add(value: number): void {
    while ((this.#candidates.at(-1)?.value ?? -Infinity) >= value) this.#candidates.pop()
    this.#candidates.push({ at: this.#added++, value })
  }

  /** Removes the first number. */
  removeFirst(): void {
    if (this.#candidates[0]?.at === this.#removed++) this.#candidates.shift()
  }
}
