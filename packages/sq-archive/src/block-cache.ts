/** Keeps blocks of objects in memory, the ones used last, and asks the store for each once at a time. */

/** Fetches a block. */
type Fetch = () => Promise<Uint8Array>

interface Entry {
  readonly block: Promise<Uint8Array>
  /** Bytes that the entry counts for; 0 until the block is there. */
  bytes: number
}

export class BlockCache {
  readonly #maxBytes: number
  /** In the order of their last use. */
  readonly #entries = new Map<string, Entry>()
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /**
   * A block, from memory if it is there. All who want a block at the same time share one fetch, which goes on when one
   * of them no longer waits. A fetch that fails is forgotten. Do not change the bytes.
   */
  get(key: string, fetch: Fetch): Promise<Uint8Array> {
    const known = this.#entries.get(key)
    if (known !== undefined) {
      this.#entries.delete(key)
      this.#entries.set(key, known)
      return known.block
    }
    const entry: Entry = { block: fetch(), bytes: 0 }
    this.#entries.set(key, entry)
    void this.#settle(key, entry)
    return entry.block
  }

  /** Counts a block once it is there, and forgets one that could not be fetched. */
  async #settle(key: string, entry: Entry): Promise<void> {
    try {
      const { length } = await entry.block
      entry.bytes = length
      this.#bytes += length
      this.#evict()
    } catch {
      // Every caller that waits for it gets the error.
      this.#entries.delete(key)
    }
  }

  #evict(): void {
    for (const [key, entry] of this.#entries) {
      if (this.#bytes <= this.#maxBytes) return
      if (entry.bytes === 0) continue
      this.#entries.delete(key)
      this.#bytes -= entry.bytes
    }
  }
}
