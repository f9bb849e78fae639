/**
 * The results that the callers of a log got, and the contents that the log may therefore have after a crash. The
 * invariants about acknowledged, rejected and recovered records are stated here; every check in this package uses them.
 */

/**
 * A value that was given to the log, as a small number: the same number exactly for the same bytes. See `ValueTable`.
 */
export type ValueId = number

/** One append or batch: either all of its values become part of the log, or none. */
export interface Unit {
  readonly values: readonly ValueId[]
}

/** The contents of a log by offset: the values of its records, and `DELETED` for each offset before the first. */
export type Contents = readonly ValueId[]

/** In the contents, a record that was deleted with its segment. */
export const DELETED: ValueId = -1

/** A call of `deleteRecords`. */
interface DeletionOfRecords {
  readonly before: number
  /** The numbers of truncations and resets that had begun, and of resets that had taken effect. */
  readonly cuts: number
  readonly resets: number
}

/** An invariant is broken. */
export class Violation extends Error {
  override readonly name = 'Violation'

  /** The message starts with the number of the invariant, or of the possible ones, and says what was found. */
  constructor(message: `${number}${string}`, options: ErrorOptions = {}) {
    super(message, options)
  }
}

/**
 * The invariants, numbered as in docs/durability.md, and where each is checked:
 *
 * 1. every acknowledged record is there, byte for byte: here;
 * 2. every other record was submitted at exactly this offset, without a gap: here, and by every reader;
 * 3. an offset has one value: once a retry is acknowledged, the failed append never appears: here;
 * 4. records that a recovery exposed are exposed by every later one; records that it dropped never come back, nor do
 *    truncated or deleted ones: here;
 * 5. acknowledgements come in offset order, and nothing queued after a rejected append is acknowledged: here;
 * 6. a rejection keeps the next offset, and the next success gets it: here, and without faults at the end of every
 *    simulation and of every run with failing operations;
 * 7. a reader in the writer's process sees only durable records: `LogUnderTest.readDuringWrites`; so does a reader with
 *    `durableOnly` in another process: `OtherProcessReader`; fetches and bounds: `fetching.ts`;
 * 8. power cuts and kills alone never make a log refuse to open: `LogUnderTest.open`;
 * 9. an interrupted and repeated recovery gives the same result: the exploration, with `allow`;
 * 10. memory is bounded, and nothing outside the data directory is touched: fuzzing, and `LogUnderTest.open`;
 * 11. rotation leaves no gap, deletion removes the oldest records, truncation the newest, and the deletion of the log
 *    all or none: here;
 * 12. every promise settles, and nothing is left open: `LogUnderTest.close`, fuzzing, and all time limits.
 */
export class History {
  #stands: Contents = []
  /** For each `watch`, what it has seen. */
  readonly #watches = new Set<Contents[]>()
  /** The appends in flight, in the order of their calls. */
  #pending: Unit[] = []
  /** Rejected appends that may still appear, by their error. All appends of one failure have the same error. */
  #rejected = new Map<unknown, Unit[]>()

  /** The records before this offset may be gone: the deletion of segments is in progress or has failed. */
  #maybeDeletedBelow = 0
  /** The same for `deleteRecords`: they are gone for its writer, but maybe not for the next one. */
  #maybeStartsAt = 0
  /** Whether the deletion of the whole log is in progress or has failed. */
  #isLogMaybeDeleted = false
  /** The offset of the truncation in progress. */
  #truncatingTo: number | null = null
  /** The offset of the reset in progress. */
  #resettingTo: number | null = null
  /** The number of truncations and resets that have begun, and of resets that have taken effect. */
  #cuts = 0
  #resets = 0
  /** The contents that may come back after a crash, until a failed truncation or reset is completed. */
  #undone: readonly Contents[] = []

  #allowed: readonly Contents[] | null = null
  #isRepeated = false
  #version = 0

  get #acknowledged(): Contents {
    return this.#stands
  }

  /** For every change but a new beginning: what is missing at the beginning was deleted. */
  set #acknowledged(contents: Contents) {
    this.#stands = contents
    for (const seen of this.#watches) seen.push(withDeleted(contents, seen.at(-1) ?? []))
  }

  /** The log begins again: empty, or with what a recovery found. */
  #replace(contents: Contents): void {
    this.#stands = contents
    for (const seen of this.#watches) seen.push(contents)
  }

  /**
   * Collects the acknowledged records at the call and after each change until `end`. A reader that began at the call may
   * return them. Records that are deleted after the call are still among them: the reader may have found them before.
   */
  watch(): { readonly seen: readonly Contents[]; readonly end: () => void } {
    const seen = [this.#acknowledged]
    this.#watches.add(seen)
    return { seen, end: () => this.#watches.delete(seen) }
  }

  /**
   * Whether this offset may be out of range now: before the start or after the end of the log, as it is or as a deletion,
   * truncation or reset in progress may leave it.
   */
  mayLack(offset: number): boolean {
    const { mostStart, leastEnd } = this.bounds
    const isReplaced = this.#resettingTo !== null || this.#isLogMaybeDeleted
    return isReplaced || offset < mostStart || offset > leastEnd
  }

  /** Whether the deletion of the whole log is in progress or has failed. */
  get isLogMaybeDeleted(): boolean {
    return this.#isLogMaybeDeleted
  }

  /** Changes whenever a caller gets a result. */
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

  /** The records that must be there. */
  get acknowledged(): Contents {
    return this.#acknowledged
  }

  /** The log end offset once everything in flight is acknowledged. */
  get submittedEnd(): number {
    return this.#pending.reduce((end, { values }) => end + values.length, this.#acknowledged.length)
  }

  /**
   * The bounds that the log may have now, also as its files show them. The records from `mostStart` up to `leastEnd`
   * must be there.
   */
  get bounds(): Readonly<Record<'leastStart' | 'mostStart' | 'leastEnd' | 'mostEnd', number>> {
    const all = this.#allowed ?? this.#untrimmed()
    const ends = all.map(({ length }) => length)
    return {
      leastStart: Math.min(...all.map(firstOffsetOf)),
      mostStart: Math.max(firstOffsetOf(this.#acknowledged), this.#maybeDeletedBelow, this.#maybeStartsAt),
      leastEnd: Math.min(...ends),
      mostEnd: Math.max(...ends),
    }
  }

  /** An append is called. */
  submit(values: readonly ValueId[]): Unit {
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

  /** An append rejected with this error object. */
  reject(unit: Unit, error: unknown): void {
    this.#version++
    if (this.#pending[0] !== unit) throw new Violation('5: an append was rejected before one that was called earlier')
    this.#pending.shift()
    const round = this.#rejected.get(error)
    if (round === undefined) this.#rejected.set(error, [unit])
    else round.push(unit)
  }

  /** An append was refused immediately, before it was queued. */
  refuse(unit: Unit): void {
    this.#version++
    this.#pending = this.#pending.filter((pending) => pending !== unit)
  }

  /** After a rollover or an orderly close: rejected appends never appear, and a started truncation is complete. */
  settled(): void {
    this.#version++
    this.#rejected.clear()
    this.#undone = []
  }

  /** A deletion begins, oldest records first. It may delete all records. */
  deleting(): void {
    this.#version++
    this.#maybeDeletedBelow = Infinity
  }

  /** The deletion failed: any of the records may be gone. */
  deletionFailed(): void {
    this.#version++
    this.#maybeDeletedBelow = this.#acknowledged.length
  }

  /** The deletion is done, and the log starts at this offset. */
  deleted(firstOffset: number): void {
    this.#version++
    this.#undone = []
    this.#maybeDeletedBelow = 0
    this.#acknowledged = withoutFirst(this.#acknowledged, firstOffset)
  }

  /** `deleteRecords` begins: any of the records before this offset may be gone. */
  deletingRecords(before: number): DeletionOfRecords {
    this.#version++
    this.#maybeStartsAt = Math.max(this.#maybeStartsAt, before)
    return { before, cuts: this.#cuts, resets: this.#resets }
  }

  /**
   * `deleteRecords` is done: the records before this offset never come back. Truncations and resets may have been called
   * since it began. They take effect after it.
   */
  deletedRecords({ before, cuts, resets }: DeletionOfRecords): void {
    this.#version++
    if (cuts === this.#cuts) this.#undone = []
    if (resets !== this.#resets) return
    this.#maybeStartsAt = 0
    this.#acknowledged = withoutFirst(this.#acknowledged, before)
  }

  /** Whether a reset has taken effect since `deleteRecords` began. */
  isReset({ resets }: DeletionOfRecords): boolean {
    return resets !== this.#resets
  }

  /** The deletion of the whole log begins: until it is done, the log is whole or gone. */
  deletingLog(): void {
    this.#version++
    this.#isLogMaybeDeleted = true
  }

  /** The log is gone. One that is created in its place is empty. */
  deletedLog(): void {
    this.#version++
    this.#isLogMaybeDeleted = false
    this.#maybeStartsAt = 0
    this.#replace([])
  }

  /** A truncation begins: it drops all records from this offset on, newest first. */
  truncating(offset: number): void {
    this.#version++
    this.#cuts++
    this.#truncatingTo = offset
  }

  /** The truncation is done: the log ends here. */
  truncated(offset: number): void {
    if (offset < this.#acknowledged.length) this.settled()
    this.#version++
    this.#undone = []
    this.#truncatingTo = null
    this.#acknowledged = this.#acknowledged.slice(0, offset)
  }

  /**
   * The truncation failed: either nothing has changed, or the log ends here for this writer, but maybe not for the
   * next.
   */
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

  /** A reset begins: it drops all records, and the log continues at this offset. */
  resetting(offset: number): void {
    this.#version++
    this.#cuts++
    this.#resettingTo = offset
  }

  /** The reset is done: the log is empty at this offset. */
  reset(offset: number): void {
    this.settled()
    this.#resets++
    this.#resettingTo = null
    this.#maybeStartsAt = 0
    this.#replace(allDeleted(offset))
  }

  /**
   * The reset failed: either nothing has changed, or the log is empty at this offset for this writer, but maybe not for
   * the next one. The offset is not the one at which the log ended.
   */
  resetFailed({ offset, nextOffset }: { offset: number; nextOffset: bigint }): void {
    this.#version++
    if (nextOffset === BigInt(offset)) {
      this.#resets++
      this.#undone = this.#untrimmed()
      this.#rejected.clear()
      this.#replace(allDeleted(offset))
    } else if (nextOffset !== BigInt(this.#acknowledged.length)) {
      throw new Violation(`11: a reset to ${offset} failed and left ${nextOffset} as the next offset`)
    }
    this.#resettingTo = null
  }

  /** All contents that the log may have if the machine stops now. */
  possible(): readonly Contents[] {
    return this.#allowed ?? [...this.#trimmed()]
  }

  /** Whether one of them satisfies a condition. Finds it without generating all, which may be a million. */
  allows(isSuch: (contents: Contents) => boolean): boolean {
    for (const contents of this.#allowed ?? this.#trimmed()) if (isSuch(contents)) return true
    return false
  }

  *#trimmed(): Iterable<Contents> {
    for (const whole of this.#untrimmed()) {
      const most = Math.min(Math.max(this.#maybeDeletedBelow, this.#maybeStartsAt), whole.length)
      for (let firstOffset = 0; firstOffset <= most; firstOffset++) yield withoutFirst(whole, firstOffset)
    }
    if (this.#isLogMaybeDeleted) yield []
  }

  /** The same for appends and truncations only, without deletions. */
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
    if (this.#resettingTo !== null) contents.push(allDeleted(this.#resettingTo))
    return [...contents, ...this.#undone]
  }

  /** The log was opened again with these contents. From now on it must have them. */
  recovered(contents: Contents): void {
    if (!this.allows((allowed) => same(allowed, contents))) throw this.#unexpected(contents)
    this.#allowed = null
    this.#replace([...contents])
    this.#pending = []
    this.#maybeDeletedBelow = 0
    this.#maybeStartsAt = 0
    this.#isLogMaybeDeleted = false
    this.#truncatingTo = null
    this.#resettingTo = null
    this.settled()
  }

  #unexpected(contents: Contents): Violation {
    const [acknowledged = []] = this.possible()
    const held = `the log has [${contents.join(' ')}]`
    if (this.#allowed !== null && this.#isRepeated) {
      return new Violation(
        `9: ${held}, but before its recovery was interrupted and repeated, it had [${acknowledged.join(' ')}]`,
      )
    }
    const lost = acknowledged.findIndex((value, offset) => contents[offset] !== value)
    const seen = `${held}, and [${acknowledged.join(' ')}] were acknowledged`
    if (lost !== -1) return new Violation(`1: the acknowledged record at offset ${lost} is lost or different: ${seen}`)
    const allowed = this.possible().map((possible) => `[${possible.join(' ')}]`)
    return new Violation(`2, 3 or 4: ${seen}; expected one of ${allowed.join(' ')}`)
  }
}

/** A log that is empty at an offset. */
function allDeleted(offset: number): Contents {
  return Array.from({ length: offset }, () => DELETED)
}

/** The offset of the first record; the log end offset if there is none. */
function firstOffsetOf(contents: Contents): number {
  const first = contents.findIndex((value) => value !== DELETED)
  return first === -1 ? contents.length : first
}

function withoutFirst(contents: Contents, firstOffset: number): Contents {
  return firstOffset === 0 ? contents : contents.map((value, offset) => (offset < firstOffset ? DELETED : value))
}

/** The contents, with what the log had before in place of what is deleted. */
function withDeleted(contents: Contents, before: Contents): Contents {
  return contents.map((value, offset) => (value === DELETED ? (before[offset] ?? DELETED) : value))
}

function same(left: Contents, right: Contents): boolean {
  return left.length === right.length && left.every((value, offset) => value === right[offset])
}

/** Assigns a number to every distinct value, so that contents are cheap to store and to compare. */
export class ValueTable {
  readonly #ids = new Map<string | null, ValueId>()
  /** Each part of an opaque batch but the first. */
  readonly #continuing = new Set<ValueId>()

  /** The number of these bytes, or of no value. */
  id(value: Uint8Array | null): ValueId {
    // No value is another content than any value.
    return this.#idOf(value === null ? null : latin1(value))
  }

  /** The numbers of the records of an opaque batch: each stands for the whole payload, and its place in the batch. */
  opaqueIds(payload: Uint8Array, recordCount: number): ValueId[] {
    const content = latin1(payload)
    // No byte is this character.
    const ids = Array.from({ length: recordCount }, (_, index) =>
      this.#idOf(`\u{2026}${index} ${recordCount} ${content}`),
    )
    for (const id of ids.slice(1)) this.#continuing.add(id)
    return ids
  }

  /** Whether this is a part of an opaque batch but not its first, also if the parts before it are deleted. */
  continuesBatch(id: ValueId | undefined): boolean {
    return id !== undefined && this.#continuing.has(id)
  }

  #idOf(key: string | null): ValueId {
    const known = this.#ids.get(key)
    if (known !== undefined) return known
    this.#ids.set(key, this.#ids.size)
    return this.#ids.size - 1
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}
