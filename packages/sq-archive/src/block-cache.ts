/**
 * Keeps blocks of objects in memory, the ones used last. Neighbours that are not there are asked for in one request,
 * each once at a time, and stay and go together.
 */

/** Blocks of an object, by their numbers. */
export interface BlockRange {
  readonly from: number
  /** The number after that of the last block. */
  readonly to: number
}

/** Neighbours that were asked for in one request. */
export interface Run extends BlockRange {
  readonly bytes: Promise<Uint8Array>
}

/** Fetches the bytes of some blocks. */
export type FetchRun = (range: BlockRange) => Promise<Uint8Array>

interface Entry extends Run {
  readonly key: string
  /** The number of bytes that the entry counts for; 0 until they are there. */
  size: number
}

/** The most blocks of a request. */
export const MAX_RUN_BLOCKS = 8

export class BlockCache {
  readonly #maxBytes: number
  /** The entry that has a block, by the key of the object and the number of the block. */
  readonly #blocks = new Map<string, Entry>()
  /** In the order of their last use. */
  readonly #entries = new Set<Entry>()
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /**
   * The runs that have these blocks of an object, in order: the first may begin before them, the last may end after
   * them. What is not in memory is fetched. All who want a block at the same time share one fetch, which goes on when
   * one of them no longer waits. A fetch that fails is forgotten. Do not change the bytes.
   */
  get(key: string, { from, to }: BlockRange, fetch: FetchRun): Run[] {
    const runs: Run[] = []
    for (let index = from; index < to;) {
      const run = this.#blocks.get(name(key, index)) ?? this.#fetch(key, this.#gap(key, { from: index, to }), fetch)
      this.#entries.delete(run)
      this.#entries.add(run)
      runs.push(run)
      index = run.to
    }
    return runs
  }

  /** Forgets what is in memory of an object, also what is being fetched. */
  drop(key: string): void {
    for (const entry of this.#entries) if (entry.key === key) this.#forget(entry)
  }

  /** The blocks at the beginning of a range that are not in memory, as many as one request may ask for. */
  #gap(key: string, { from, to }: BlockRange): BlockRange {
    const most = Math.min(from + MAX_RUN_BLOCKS, to)
    let end = from + 1
    while (end < most && !this.#blocks.has(name(key, end))) end++
    return { from, to: end }
  }

  #fetch(key: string, range: BlockRange, fetch: FetchRun): Entry {
    const entry: Entry = { key, ...range, bytes: fetch(range), size: 0 }
    for (let index = range.from; index < range.to; index++) this.#blocks.set(name(key, index), entry)
    void this.#settle(entry)
    return entry
  }

  /** Counts a run once it is there, and forgets one that could not be fetched. */
  async #settle(entry: Entry): Promise<void> {
    try {
      const { length } = await entry.bytes
      if (!this.#entries.has(entry)) return
      entry.size = length
      this.#bytes += length
      this.#evict()
    } catch {
      // Every caller that waits for it gets the error.
      if (this.#entries.has(entry)) this.#forget(entry)
    }
  }

  #evict(): void {
    for (const entry of this.#entries) {
      if (this.#bytes <= this.#maxBytes) return
      if (entry.size > 0) this.#forget(entry)
    }
  }

  #forget(entry: Entry): void {
    for (let index = entry.from; index < entry.to; index++) this.#blocks.delete(name(entry.key, index))
    this.#entries.delete(entry)
    this.#bytes -= entry.size
  }
}

function name(key: string, index: number): string {
  return `${key} ${index}`
}
