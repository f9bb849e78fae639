/**
 * The upload of one segment, in attempts until one succeeds. It is archived once the store has exactly its bytes, right
 * after the segment before it, and nothing behind it.
 */
import type { SegmentInfo } from '@sq/storage'
import { describeObject } from '../archived-log.ts'
import type { ArchivedSegment } from '../archived-log.ts'
import { ArchiveDamagedError, FencedError } from '../errors.ts'
import { partsOf } from '../object-source.ts'
import { hadNoEffect, ObjectStoreError } from '../object-store.ts'
import type { ObjectInfo, ObjectSource, ObjectStore } from '../object-store.ts'
import { folderOf, parseSegmentKey, segmentKey } from '../segment-key.ts'
import type { LogPlace } from '../segment-key.ts'
import { isSameLink } from '../segment-link.ts'

export class SegmentUpload {
  readonly segment: SegmentInfo
  readonly key: string
  readonly #store: ObjectStore
  readonly #place: LogPlace
  /** The last segment of the archive; null if it is empty. */
  readonly #before: ArchivedSegment | null
  /** Whether an earlier attempt may have stored it. */
  #mayBeThere = false

  constructor(
    store: ObjectStore,
    place: LogPlace,
    { segment, before }: { segment: SegmentInfo; before: ArchivedSegment | null },
  ) {
    this.#store = store
    this.#place = place
    this.segment = segment
    this.key = segmentKey(place, segment.baseOffset)
    this.#before = before
  }

  /**
   * Rejects with `FencedError`. After any other error it may be called again; the object may be there then.
   */
  async attempt(source: ObjectSource): Promise<void> {
    const isThere = this.#mayBeThere && (await this.#store.head(this.key)) !== null
    if (isThere || (await this.#put(source)) === 'exists') await this.#compare(source)
    await this.#confirm()
  }

  async #put(source: ObjectSource): Promise<'created' | 'exists'> {
    try {
      this.#mayBeThere = true
      return await this.#store.put(this.key, source)
    } catch (error) {
      if (hadNoEffect(error)) this.#mayBeThere = false
      throw error
    }
  }

  /** The object is there: from an attempt whose answer was lost, or from another writer. */
  async #compare(source: ObjectSource): Promise<void> {
    const { segment, key } = this
    const object = await this.#store.head(key)
    if (object === null) throw this.#unexpected('it exists, and then it does not')
    const found = await describeObject(this.#store, this.#place, { ...object, baseOffset: segment.baseOffset })
    if (!isSameLink(found.link, segment.link)) {
      throw new FencedError(key, 'it holds another segment, or this one as it was before a truncation')
    }
    let position = 0
    for await (const part of partsOf(key, source)) {
      const there = Buffer.allocUnsafe(part.length)
      const read = await this.#store.get(key, there, position)
      const end = position + part.length
      if (read < part.length || !there.equals(part)) {
        throw new ArchiveDamagedError(key, `it differs from the local segment in bytes ${position} to ${end}`)
      }
      position = end
    }
  }

  /**
   * Proves by one listing that the segment is the last of the archive. Retention keeps the last two segments, so a
   * writer that comes late, after others went on and retention deleted what was there, finds a segment behind its own,
   * or its predecessor gone.
   */
  async #confirm(): Promise<void> {
    const { key, segment } = this
    const before = this.#before
    // From just before its predecessor on. An archive that was empty must have no other segment.
    const options = before === null ? {} : { after: before.key.slice(0, -1) }
    const listed = new Map<string, ObjectInfo>()
    for await (const object of this.#store.list(folderOf(this.#place), options)) {
      if (parseSegmentKey(this.#place, object.key) === null) continue
      if (object.key !== key && object.key !== before?.key) {
        throw new FencedError(key, `the segment ${JSON.stringify(object.key)} is there too`)
      }
      listed.set(object.key, object)
    }
    if (before !== null && listed.get(before.key)?.bytes !== before.bytes) {
      throw new FencedError(key, `the segment before it, ${JSON.stringify(before.key)}, is no longer there`)
    }
    const bytes = listed.get(key)?.bytes
    if (bytes !== segment.bytes) throw this.#unexpected(`listed with ${bytes ?? 'no'} bytes, expected ${segment.bytes}`)
  }

  #unexpected(found: string): ObjectStoreError {
    return new ObjectStoreError('failed', `the store contradicts itself about ${JSON.stringify(this.key)}: ${found}`, {
      key: this.key,
    })
  }
}
