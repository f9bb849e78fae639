/**
 * Segments that landed in an archive after retention had deleted them: their upload was given up, and took effect all the
 * same. Retention deletes oldest first, so they are before the log, and the segment after them does not continue them.
 */
import { readSegmentStart, WalError } from '@sq/storage'
import { ObjectStoreError } from './object-store.ts'
import type { ObjectInfo, ObjectStore } from './object-store.ts'
import { offsetInName } from './segment-key.ts'

/** Enough for the beginning of any segment. */
const HEAD_BYTES = 512

/** Whether the store says that one object was stored after another. */
export function isStoredAfter(one: Stored, other: Stored): boolean {
  return one.storedMs !== undefined && other.storedMs !== undefined && one.storedMs > other.storedMs
}

type Stored = Pick<ObjectInfo, 'storedMs'>

export class LateUploads {
  readonly #store: ObjectStore
  /** By folder: the second segment that was looked at last, and the first offset of the segment before it. */
  readonly #known = new Map<string, { readonly key: string; readonly previous: bigint | null }>()

  constructor(store: ObjectStore) {
    this.#store = store
  }

  /**
   * The keys of those among the objects of a folder, which are in order. Each is a single segment that was stored after
   * the one that follows it: otherwise it is no late upload, and segments are missing after it. For a log that has none
   * it reads nothing.
   */
  async among(objects: readonly ObjectInfo[], folder: string): Promise<ReadonlySet<string>> {
    const late = new Set<string>()
    const segments = objects.filter(({ key }) => offsetInName(key.slice(folder.length)) !== null)
    for (const [at, segment] of segments.entries()) {
      const next = segments[at + 1]
      if (next === undefined || !isStoredAfter(segment, next)) break
      const previous = await this.#previousOf(folder, next.key)
      if (previous === null || previous === offsetInName(segment.key.slice(folder.length))) break
      late.add(segment.key)
    }
    return late
  }

  /** The first offset of the segment before one; null if it begins a log, or cannot be read. */
  async #previousOf(folder: string, key: string): Promise<bigint | null> {
    const known = this.#known.get(folder)
    if (known?.key === key) return known.previous
    const previous = await this.#readPrevious(key)
    this.#known.set(folder, { key, previous })
    return previous
  }

  async #readPrevious(key: string): Promise<bigint | null> {
    try {
      const read = (buffer: Uint8Array, position: number): Promise<number> => this.#store.get(key, buffer, position)
      const { previous } = await readSegmentStart({ path: key, bytes: HEAD_BYTES, read })
      return previous === null ? null : BigInt(previous.baseOffset)
    } catch (error) {
      // A damaged object is for the reader to report; one that is gone changes nothing.
      if (error instanceof WalError) return null
      if (error instanceof ObjectStoreError && error.code === 'not-found') return null
      throw error
    }
  }
}
