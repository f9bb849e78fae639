/**
 * The local segments that are archived, and the proof that each is still there: before any is deleted here, the archive
 * is listed, and the ends of what this process has not uploaded itself are compared.
 */
import type { SegmentInfo } from '@sq/storage'
import { describeObject } from '../archived-log.ts'
import { ArchiveDamagedError } from '../errors.ts'
import type { ObjectInfo, ObjectStore } from '../object-store.ts'
import { folderOf, parseSegmentKey, segmentKey } from '../segment-key.ts'
import type { LogPlace } from '../segment-key.ts'
import { isSameLink } from '../segment-link.ts'

/** What may be deleted locally. */
export interface Deletable {
  /** Segments with this offset or a later one must stay. */
  readonly keepFromOffset: bigint
  /** The object that is the reason if archived segments must stay; null if none must. */
  readonly lost: ArchiveDamagedError | null
}

export class LocalCopies {
  readonly #store: ObjectStore
  readonly #place: LogPlace
  /** Oldest first. */
  #segments: SegmentInfo[] = []
  /** The base offsets of those whose objects are known to be the same. */
  readonly #proven = new Set<bigint>()

  constructor(store: ObjectStore, place: LogPlace) {
    this.#store = store
    this.#place = place
  }

  /** Takes the local segments that an earlier process has archived. */
  begin(segments: readonly SegmentInfo[]): void {
    this.#segments = [...segments]
  }

  /** Takes a segment that has just been archived, and confirmed. */
  add(segment: SegmentInfo): void {
    this.#segments.push(segment)
    this.#proven.add(segment.baseOffset)
  }

  /** Forgets segments that were deleted locally. */
  remove(deleted: readonly Pick<SegmentInfo, 'baseOffset'>[]): void {
    const gone = new Set(deleted.map(({ baseOffset }) => baseOffset))
    this.#segments = this.#segments.filter(({ baseOffset }) => !gone.has(baseOffset))
    for (const baseOffset of gone) this.#proven.delete(baseOffset)
  }

  /**
   * Finds up to which offset every local segment is archived. Segments before the first object are older than what the
   * archive keeps. It costs a listing of what is there from the first local segment on.
   */
  async deletable(archivedOffset: bigint): Promise<Deletable> {
    const objects = await this.#objects()
    const [first] = objects.keys()
    for (const segment of this.#segments) {
      if (first !== undefined && segment.baseOffset < first) continue
      const reason = await this.#reasonToKeep(segment, objects.get(segment.baseOffset))
      if (reason === null) continue
      const key = segmentKey(this.#place, segment.baseOffset)
      return { keepFromOffset: segment.baseOffset, lost: new ArchiveDamagedError(key, reason) }
    }
    return { keepFromOffset: archivedOffset, lost: null }
  }

  /** The first object of the archive, and those from the first local segment on, by base offset. */
  async #objects(): Promise<ReadonlyMap<bigint, ObjectInfo>> {
    const objects = new Map<bigint, ObjectInfo>()
    const [first] = this.#segments
    if (first === undefined) return objects
    const folder = folderOf(this.#place)
    for await (const object of this.#store.list(folder)) {
      if (this.#add(objects, object)) break
    }
    // From just before the key of that segment on.
    const after = segmentKey(this.#place, first.baseOffset).slice(0, -1)
    for await (const object of this.#store.list(folder, { after })) this.#add(objects, object)
    return objects
  }

  #add(objects: Map<bigint, ObjectInfo>, object: ObjectInfo): boolean {
    const baseOffset = parseSegmentKey(this.#place, object.key)
    if (baseOffset !== null) objects.set(baseOffset, object)
    return baseOffset !== null
  }

  /** Null if the object of a segment is the same. */
  async #reasonToKeep(
    { baseOffset, bytes, link }: SegmentInfo,
    object: ObjectInfo | undefined,
  ): Promise<string | null> {
    if (object === undefined) return 'it is missing'
    if (object.bytes !== bytes) return `it has ${object.bytes} bytes, and the local segment ${bytes}`
    if (this.#proven.has(baseOffset)) return null
    const found = await describeObject(this.#store, this.#place, { ...object, baseOffset })
    if (!isSameLink(found.link, link)) return 'it is another segment than the local one'
    this.#proven.add(baseOffset)
    return null
  }
}
