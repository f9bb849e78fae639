/** Counts the most frequent keys of a log in bounded memory, by the algorithm of Misra and Gries. */
import { createHash } from 'node:crypto'

/** A longer key is cut, and told from others by its hash. */
const MAX_KEY_BYTES = 64

/** A key, and how many records have it at least. */
interface KeyCount {
  readonly key: string
  readonly records: number
}

export interface KeyReport {
  /** Records without a key. */
  readonly keyless: number
  /** The number of different keys; a lower bound unless `isExact`. */
  readonly distinct: number
  /** Whether there were few enough keys to count each. Else a count can be too low by at most `missedAtMost`. */
  readonly isExact: boolean
  readonly missedAtMost: number
  /** The most frequent ones, the first has most. */
  readonly top: readonly KeyCount[]
}

export class KeyCounts {
  readonly #limit: number
  #counts = new Map<string, number>()
  #keyless = 0
  #missedAtMost = 0
  #distinct = 0

  /** Counts at most twice `limit` keys at a time. */
  constructor(limit: number) {
    this.#limit = limit
  }

  add(key: Uint8Array | null): void {
    if (key === null) {
      this.#keyless++
      return
    }
    const name = nameOf(key)
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1)
    if (this.#counts.size > 2 * this.#limit) this.#drop()
  }

  report(shown: number): KeyReport {
    const sorted = [...this.#counts].toSorted(([, left], [, right]) => right - left)
    return {
      keyless: this.#keyless,
      distinct: Math.max(this.#distinct, this.#counts.size),
      isExact: this.#missedAtMost === 0,
      missedAtMost: this.#missedAtMost,
      top: sorted.slice(0, shown).map(([key, records]) => ({ key, records })),
    }
  }

  /** Takes from each count that of the key after the first `limit`, and drops the keys of which nothing is left. */
  #drop(): void {
    this.#distinct = Math.max(this.#distinct, this.#counts.size)
    const counts = Array.from(this.#counts.values()).toSorted((left, right) => right - left)
    const taken = counts[this.#limit] ?? 0
    this.#missedAtMost += taken
    const kept = new Map<string, number>()
    for (const [key, count] of this.#counts) if (count > taken) kept.set(key, count - taken)
    this.#counts = kept
  }
}

/** The key as text. */
function nameOf(key: Uint8Array): string {
  if (key.length <= MAX_KEY_BYTES) return textOf(key)
  const hash = createHash('sha256').update(key).digest('hex').slice(0, 12)
  return `${textOf(key.subarray(0, MAX_KEY_BYTES))}... (${key.length} bytes, sha256 ${hash})`
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
}
