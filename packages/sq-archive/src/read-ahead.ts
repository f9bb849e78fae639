/**
 * Decides what to ask for before it is needed, where objects are read in order: twice as much as was read in order so
 * far, within limits. So a read of a few records asks for little, and a replay keeps many requests under way.
 */
import { MAX_RUN_BLOCKS } from './block-cache.ts'
import type { BlockRange } from './block-cache.ts'

/** The most blocks that one reader asks for before it needs them. */
const MAX_AHEAD_BLOCKS = 64

/** What all readers together may have asked for and not read. Those that read in order share it equally. */
export class ReadAheadBudget {
  readonly #blocks: number
  /** The blocks of each reader. */
  readonly #held = new Map<ReadAhead, number>()
  #allHeld = 0

  constructor(blocks: number) {
    this.#blocks = blocks
  }

  /** A reader has asked for so many blocks, and not read them. It takes part until `leave`. */
  hold(reader: ReadAhead, blocks: number): void {
    this.#allHeld += blocks - (this.#held.get(reader) ?? 0)
    this.#held.set(reader, blocks)
  }

  /** The most blocks that a reader may hold now. */
  most(reader: ReadAhead): number {
    const free = this.#blocks - this.#allHeld + (this.#held.get(reader) ?? 0)
    return Math.min(MAX_AHEAD_BLOCKS, Math.floor(this.#blocks / this.#held.size), free)
  }

  leave(reader: ReadAhead): void {
    this.#allHeld -= this.#held.get(reader) ?? 0
    this.#held.delete(reader)
  }
}

/** The reading of one object by one reader. */
export class ReadAhead {
  readonly #budget: ReadAheadBudget
  /** The number of blocks of the object. */
  readonly #blocks: number
  /** Where the reading in order began, and the block after the last one that was read. */
  #began = 0
  #next = -1
  /** The block after the last one that was asked for. */
  #asked = 0

  constructor(budget: ReadAheadBudget, blocks: number) {
    this.#budget = budget
    this.#blocks = blocks
  }

  /** What to ask for when these blocks are read: blocks after them, or nothing. */
  after({ from, to }: BlockRange): BlockRange {
    const isInOrder = from === this.#next || from === this.#next - 1
    if (!isInOrder) {
      this.end()
      this.#began = from
    }
    this.#next = to
    const first = Math.max(this.#asked, to)
    this.#asked = first
    const inOrder = to - this.#began
    if (isInOrder && inOrder > 1) {
      this.#budget.hold(this, first - to)
      this.#asked = this.#endOf(first, to + Math.min(2 * inOrder, this.#budget.most(this)))
      this.#budget.hold(this, this.#asked - to)
    }
    return { from: first, to: this.#asked }
  }

  /** Nothing more is read in order. */
  end(): void {
    this.#budget.leave(this)
    this.#asked = 0
  }

  /** Where to end what is asked for from a block on, given the end of what may be. */
  #endOf(from: number, limit: number): number {
    if (limit >= this.#blocks) return this.#blocks
    // Small requests take more time than large ones for as many bytes.
    const wholeRuns = Math.floor((limit - from) / MAX_RUN_BLOCKS) * MAX_RUN_BLOCKS
    if (wholeRuns > 0) return from + wholeRuns
    return from === this.#next ? Math.max(from, limit) : from
  }
}
