/**
 * Segments that landed in an archive after retention had deleted them: their upload was given up, and took effect all the
 * same. Retention deletes oldest first, so they are before the log, and the segment after them does not continue them.
 */
import { readSegmentEnds, readSegmentStart, WalError } from '@sq/storage'
import type { SegmentBytes, SegmentLink } from '@sq/storage'
import { ObjectStoreError } from './object-store.ts'
import type { ObjectInfo, ObjectStore } from './object-store.ts'
import { offsetInName } from './segment-key.ts'
import { isSameLink } from './segment-link.ts'

/**
 * For each object, whether the store says that it was stored after one that follows it. In an archive that has only
 * grown, and been deleted from its beginning, none was.
 */
export function areStoredLate(objects: readonly Pick<ObjectInfo, 'storedMs'>[]): boolean[] {
  let earliestMs = Infinity
  const areLate: boolean[] = []
  for (const { storedMs = earliestMs } of objects.toReversed()) {
    areLate.push(storedMs > earliestMs)
    earliestMs = Math.min(earliestMs, storedMs)
  }
  return areLate.toReversed()
}

export class LateUploads {
  readonly #store: ObjectStore
  /** By folder: the segment after which was looked last, and what it states of the segment before it. */
  readonly #known = new Map<string, { readonly key: string; readonly previous: SegmentLink | null }>()

  constructor(store: ObjectStore) {
    this.#store = store
  }

  /**
   * The keys of those among the objects of a folder, which are in order. Each is a single segment that was stored after
   * one that follows it, and that the next one does not continue: otherwise it is no late upload, and segments are
   * missing after it. For a log that has none it reads nothing.
   */
  async among(objects: readonly ObjectInfo[], folder: string): Promise<ReadonlySet<string>> {
    const late = new Set<string>()
    const segments = objects.filter(({ key }) => offsetInName(key.slice(folder.length)) !== null)
    const areLate = areStoredLate(segments)
    for (const [at, segment] of segments.entries()) {
      const next = segments[at + 1]
      if (next === undefined || areLate[at] !== true) break
      const previous = await this.#previousOf(folder, next)
      if (previous === null || (await this.#hasEnd(segment, folder, previous))) break
      late.add(segment.key)
    }
    return late
  }

  /** What a segment states of the one before it; null if it begins a log, or cannot be read. */
  async #previousOf(folder: string, object: ObjectInfo): Promise<SegmentLink | null> {
    const known = this.#known.get(folder)
    if (known?.key === object.key) return known.previous
    const previous = await readable(async () => (await readSegmentStart(this.#bytesOf(object))).previous)
    this.#known.set(folder, { key: object.key, previous })
    return previous
  }

  /** Whether a segment is the one whose end is stated. Another writer may have stored one with the same name. */
  async #hasEnd(object: ObjectInfo, folder: string, end: SegmentLink): Promise<boolean> {
    if (offsetInName(object.key.slice(folder.length)) !== BigInt(end.baseOffset)) return false
    const link = await readable(async () => (await readSegmentEnds(this.#bytesOf(object))).link)
    return link === null || isSameLink(link, end)
  }

  #bytesOf({ key, bytes }: ObjectInfo): SegmentBytes {
    return { path: key, bytes, read: (buffer, position) => this.#store.get(key, buffer, position) }
  }
}

/** Null for a damaged object, which is for the reader to report, and for one that is gone, which changes nothing. */
async function readable<T>(read: () => Promise<T>): Promise<T | null> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof WalError) return null
    if (error instanceof ObjectStoreError && error.code === 'not-found') return null
    throw error
  }
}
