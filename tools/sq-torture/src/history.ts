/**
 * What the callers of one log were told, and from it the only contents the log may have after a crash. This is where
 * the invariants about acknowledged, rejected and recovered records are stated; every check in this package uses it.
 */

/**
 * A value that was given to the log, as a small number: the same number exactly for the same bytes. See `ValueTable`.
 */
export type ValueId = number

/** One append or batch: its values become part of the log together or not at all. */
export interface Unit {
  readonly values: readonly ValueId[]
}

/** The contents of a log, by offset: its records' values, and before its first offset so many times `DELETED`. */
export type Contents = readonly ValueId[]

/** Stands in the contents for a record that was deleted with its segment. */
export const DELETED: ValueId = -1

/** Something that must never happen did: an invariant is broken. */
export class Violation extends Error {
  override readonly name = 'Violation'

  /** The message begins with the invariant's number, or with those it may be, and says what was seen. */
  constructor(message: `${number}${string}`, options: ErrorOptions = {}) {
    super(message, options)
  }
}

/**
 * The invariants, by the numbers that the documentation of the project's durability uses, and where each is held:
 *
 * 1. what was acknowledged is there, byte for byte: here;
 * 2. what else is there was attempted at that very offset, without a gap: here, and by whoever reads;
 * 3. one value an offset: once a retry was acknowledged, the failed attempt never appears: here;
 * 4. what one recovery exposed every later one exposes, and what it left out never comes back, nor
 *    what was truncated: here;
 * 5. acknowledgements come in offset order, and after a rejection nothing queued behind it is acknowledged: here;
 * 6. a rejection leaves the next offset, and the next success gets it: here, and with all faults gone at the end of
 *    every simulation and of every run with failing operations;
 * 7. no reader beside the writer sees what is not durable: `LogUnderTest.readBesideWriter`; nor one in another process
 *    that wants only what is: `DistantFollower`;
 * 8. power cuts and kills alone never make a log refuse to open: `LogUnderTest.open`;
 * 9. recovery that is cut off and repeated gives the same: the exploration, by `allow`;
 * 10. memory is bounded, and nothing beside the data directory is touched: fuzzing, and `LogUnderTest.open`;
 * 11. rotation leaves no gap, deletion takes the oldest records and truncation the newest: here;
 * 12. every promise settles, and nothing is left open: `LogUnderTest.close`, fuzzing, and the limits of time of all.
 */
export class History {
  #acknowledged: Contents = []
  /** Appends that are under way, in the order of their calls. */
  #pending: Unit[] = []
  /** Rejected appends that nothing has made void yet, by what they were told: all of a failure get the same error. */
  #rejected = new Map<unknown, Unit[]>()

  /** The records before this offset may be gone: their deletion is under way, or failed. */
  #maybeDeletedBelow = 0
  /** The offset of the truncation that is under way. */
  #truncatingTo: number | null = null
  /** What the log may be again after a crash, until a truncation that failed half-way is completed. */
  #undone: readonly Contents[] = []

  #allowed: readonly Contents[] | null = null
  #isRepeated = false
  #version = 0

  /** Another number whenever a caller was told something. */
  get version(): number {
    return this.#version
  }

  /**
   * A log of which only this is known, until it is opened: that it holds one of these, the first being what was
   * acknowledged. `repeated`: its recovery gave that once, and was cut off.
   */
  allow(possible: readonly Contents[], { repeated = false }: { repeated?: boolean } = {}): void {
    this.#allowed = possible
    this.#isRepeated = repeated
  }

  /** What must be there. */
  get acknowledged(): Contents {
    return this.#acknowledged
  }

  /** An append is called. */
  attempt(values: readonly ValueId[]): Unit {
    this.#version++
    const unit = { values }
    this.#pending.push(unit)
    return unit
  }

  /** An append resolved with an offset. */
  acknowledge(unit: Unit, offset: bigint): void {
    this.#version++
    if (this.#pending[0] !== unit)
      throw new Violation('5: an append was acknowledged before one that was called earlier')
    if (offset !== BigInt(this.#acknowledged.length)) {
      throw new Violation(`6: an append got offset ${offset}, expected ${this.#acknowledged.length}`)
    }
    this.#pending.shift()
    this.#acknowledged = [...this.#acknowledged, ...unit.values]
    this.settled()
  }

  /** An append rejected with this error, the very object. */
  reject(unit: Unit, error: unknown): void {
    this.#version++
    if (this.#pending[0] !== unit) throw new Violation('5: an append was rejected before one that was called earlier')
    this.#pending.shift()
    const round = this.#rejected.get(error)
    if (round === undefined) this.#rejected.set(error, [unit])
    else round.push(unit)
  }

  /** An append was refused at once, before it was put in line. */
  refuse(unit: Unit): void {
    this.#version++
    this.#pending = this.#pending.filter((pending) => pending !== unit)
  }

  /** The log healed, or was closed in order: rejected appends are void, and a truncation that was begun is complete. */
  settled(): void {
    this.#version++
    this.#rejected.clear()
    this.#undone = []
  }

  /** Records are being deleted, the oldest first: perhaps all that are there by then. */
  deleting(): void {
    this.#version++
    this.#maybeDeletedBelow = Infinity
  }

  /** That failed: any of those that are there now may be gone. */
  deletionFailed(): void {
    this.#version++
    this.#maybeDeletedBelow = this.#acknowledged.length
  }

  /** That was done, and the log now begins at this offset. */
  deleted(firstOffset: number): void {
    this.#version++
    this.#undone = []
    this.#maybeDeletedBelow = 0
    this.#acknowledged = withoutFirst(this.#acknowledged, firstOffset)
  }

  /** Records are being dropped, the newest first and all of them from this offset on. */
  truncating(offset: number): void {
    this.#version++
    this.#truncatingTo = offset
  }

  /** That was done: the log ends here. */
  truncated(offset: number): void {
    if (offset < this.#acknowledged.length) this.settled()
    this.#version++
    this.#undone = []
    this.#truncatingTo = null
    this.#acknowledged = this.#acknowledged.slice(0, offset)
  }

  /** That failed: nothing was done, or the log ends here for its writer, and may not for the next one. */
  truncationFailed({ offset, nextOffset }: { offset: number; nextOffset: bigint }): void {
    this.#version++
    if (nextOffset === BigInt(offset) && offset < this.#acknowledged.length) {
      this.#undone = this.#untrimmed()
      this.#rejected.clear()
      this.#acknowledged = this.#acknowledged.slice(0, offset)
    } else if (nextOffset !== BigInt(this.#acknowledged.length)) {
      throw new Violation(`11: truncation at ${offset} failed and left ${nextOffset} as the next offset`)
    }
    this.#truncatingTo = null
  }

  /** All contents the log may have, if the machine stopped right now. */
  possible(): readonly Contents[] {
    return this.#allowed ?? [...this.#trimmed()]
  }

  /** Whether there is one such among them; where there may be a million, it is found without making all. */
  allows(isSuch: (contents: Contents) => boolean): boolean {
    for (const contents of this.#allowed ?? this.#trimmed()) if (isSuch(contents)) return true
    return false
  }

  *#trimmed(): Iterable<Contents> {
    for (const whole of this.#untrimmed()) {
      const most = Math.min(this.#maybeDeletedBelow, whole.length)
      for (let firstOffset = 0; firstOffset <= most; firstOffset++) yield withoutFirst(whole, firstOffset)
    }
  }

  /** The same as far as appends and truncations go, whatever was deleted. */
  #untrimmed(): readonly Contents[] {
    const contents: Contents[] = [this.#acknowledged]
    for (const chain of [...this.#rejected.values(), this.#pending]) {
      let grown = this.#acknowledged
      for (const { values } of chain) {
        grown = [...grown, ...values]
        contents.push(grown)
      }
    }
    const shortest = this.#truncatingTo ?? Infinity
    for (let end = shortest; end < this.#acknowledged.length; end++) contents.push(this.#acknowledged.slice(0, end))
    return [...contents, ...this.#undone]
  }

  /** The log was opened again, and this is what it holds: from now on it must. */
  recovered(contents: Contents): void {
    if (!this.allows((allowed) => same(allowed, contents))) throw this.#unexpected(contents)
    this.#allowed = null
    this.#acknowledged = [...contents]
    this.#pending = []
    this.#maybeDeletedBelow = 0
    this.#truncatingTo = null
    this.settled()
  }

  #unexpected(contents: Contents): Violation {
    const [acknowledged = []] = this.possible()
    const held = `the log holds [${contents.join(' ')}]`
    if (this.#allowed !== null && this.#isRepeated) {
      return new Violation(`9: ${held}, and before its recovery was cut off and repeated [${acknowledged.join(' ')}]`)
    }
    const lost = acknowledged.findIndex((value, offset) => contents[offset] !== value)
    const seen = `${held}, acknowledged were [${acknowledged.join(' ')}]`
    if (lost !== -1)
      return new Violation(`1: the acknowledged record at offset ${lost} is lost or another one: ${seen}`)
    const allowed = this.possible().map((possible) => `[${possible.join(' ')}]`)
    return new Violation(`2, 3 or 4: ${seen}, allowed is only ${allowed.join(' ')}`)
  }
}

function withoutFirst(contents: Contents, firstOffset: number): Contents {
  return firstOffset === 0 ? contents : contents.map((value, offset) => (offset < firstOffset ? DELETED : value))
}

function same(left: Contents, right: Contents): boolean {
  return left.length === right.length && left.every((value, offset) => value === right[offset])
}

/** Gives every distinct value a number, so that contents are cheap to keep and to compare. */
export class ValueTable {
  readonly #ids = new Map<string, ValueId>()

  /** The number of these bytes. */
  id(value: Uint8Array): ValueId {
    const key = Buffer.from(value.buffer, value.byteOffset, value.length).toString('latin1')
    const known = this.#ids.get(key)
    if (known !== undefined) return known
    this.#ids.set(key, this.#ids.size)
    return this.#ids.size - 1
  }
}
