/**
 * The archive of one log, as it is in the store. There is no manifest: each object is one segment, and states at its
 * beginning where the segment before it ends. So the objects form runs of segments that follow each other without a
 * gap. The last run is the archived log. A run before it is what a late upload has left, or the log before a gap.
 *
 * The archive's end only ever grows: retention deletes oldest first, and never the last two segments. So a writer that
 * comes late finds a segment after its own, or its predecessor gone.
 */
import { readSegmentEnds, WalError } from '@sq/storage'
import type { SegmentEnds, SegmentLink } from '@sq/storage'
import { ArchiveDamagedError } from './errors.ts'
import { ObjectStoreError } from './object-store.ts'
import type { ObjectInfo, ObjectStore } from './object-store.ts'
import { areStoredLate } from './late-uploads.ts'
import { folderOf, parseSegmentKey } from './segment-key.ts'
import type { LogPlace } from './segment-key.ts'
import { isSameLink } from './segment-link.ts'

/** Objects that are read at the same time. */
const CONCURRENT_READS = 16
/** How often a listing is made again because a listed object was deleted before it was read. */
const MAX_LISTINGS = 16

/** One segment in an archive. */
export interface ArchivedSegment {
  readonly key: string
  readonly bytes: number
  /** When it was stored, in milliseconds since 1970 by the clock of the store, if the store says so. */
  readonly storedMs?: number
  readonly baseOffset: bigint
  /** The offset after its last record. */
  readonly nextOffset: bigint
  /** When it was created, in milliseconds since 1970, by the wall clock of the process that created it. */
  readonly createdMs: number
  /** The end of the segment before it, also if that is no longer there; null if it begins a log. */
  readonly previous: SegmentLink | null
  /** Where it ends: the option `previous` of `WalWriter.open` for a log that continues after it. */
  readonly link: SegmentLink
  /** Whether it ends with its SEAL. If not, only the segment after it says that it is whole. */
  readonly isSealed: boolean
}

/** Offsets that no segment holds, although segments before and after it are there. */
export interface OffsetGap {
  readonly fromOffset: bigint
  /** The first offset after the gap. */
  readonly toOffset: bigint
}

/** What is in an archive of one log. */
export interface ArchivedLog {
  /** The segments of the log, oldest first: each continues the one before it. */
  readonly segments: readonly ArchivedSegment[]
  /**
   * Single segments before the log that were stored after one that follows them, oldest first: their uploads were
   * given up, and took effect after retention had deleted them. Readers ignore them, and retention deletes them.
   */
  readonly lateUploads: readonly ArchivedSegment[]
  /**
   * Segments that are before the log and do not lead up to it, in runs, oldest first: segments are missing between
   * them and the log.
   */
  readonly detached: readonly (readonly ArchivedSegment[])[]
  /** After each run of `detached`, if offsets are missing there. */
  readonly gaps: readonly OffsetGap[]
  /** Objects with other names. They are ignored. */
  readonly foreign: readonly ObjectInfo[]
}

/** An object that is named as a segment is. */
export interface NamedSegment extends ObjectInfo {
  readonly baseOffset: bigint
}

/**
 * Lists the archive of a log, and proves that its segments follow each other. Besides the listing, it reads both
 * ends of every object: two or three small reads, and all of an abandoned segment. An archive that is empty has no
 * segments. While segments are added or deleted, it is the archive at one moment of the call.
 *
 * Rejects with `ArchiveDamagedError` if an object with the name of a segment is not a segment of this log, and with
 * `ObjectStoreError`.
 *
 * @example
 * ```ts
 * const { segments } = await listArchive(store, { topic: 'orders', partition: 0 })
 * console.log(segments.at(-1)?.nextOffset) // 3n
 * ```
 */
export async function listArchive(store: ObjectStore, place: LogPlace): Promise<ArchivedLog> {
  const { damaged, ...log } = await inspectArchive(store, place)
  const [first] = damaged
  if (first !== undefined) throw first
  return log
}

/** What is in an archive, and the objects with the name of a segment that are not a segment of this log. */
export interface InspectedLog extends ArchivedLog {
  readonly damaged: readonly ArchiveDamagedError[]
}

/** Does the same, but reports damaged objects instead of rejecting, and leaves them out. */
export function inspectArchive(store: ObjectStore, place: LogPlace): Promise<InspectedLog> {
  return whileListed(async () => {
    const { named, foreign } = await listObjects(store, place)
    const described = await mapConcurrently(named, (object) =>
      describeObject(store, place, object).catch((error: unknown) => {
        if (error instanceof ArchiveDamagedError) return error
        throw error
      }),
    )
    const damaged = described.filter((one) => one instanceof ArchiveDamagedError)
    const runs = runsOf(described.flatMap((one) => (one instanceof ArchiveDamagedError ? [] : [one])))
    const areLate = areStoredLate(runs.flat())
    const late = runs.findIndex((run, at) => run.length > 1 || areLate[at] !== true)
    const lateUploads = runs.slice(0, Math.max(late, 0)).flat()
    const rest = runs.slice(lateUploads.length)
    const [segments, detached] = [rest.at(-1) ?? [], rest.slice(0, -1)]
    const gaps = detached.flatMap((run, at) => {
      const [fromOffset, toOffset] = [run.at(-1)?.nextOffset ?? 0n, rest[at + 1]?.[0]?.baseOffset ?? 0n]
      return fromOffset < toOffset ? [{ fromOffset, toOffset }] : []
    })
    return { segments, lateUploads, detached, gaps, foreign, damaged }
  })
}

/**
 * The last segment of the archive of a log: where the archive ends. Null if the archive is empty. Besides the listing,
 * it reads only both ends of that object. Rejects as `listArchive` does.
 *
 * @example
 * ```ts
 * const last = await lastArchived(store, { topic: 'orders', partition: 0 })
 * console.log(last?.nextOffset) // 3n
 * ```
 */
export function lastArchived(store: ObjectStore, place: LogPlace): Promise<ArchivedSegment | null> {
  return whileListed(async () => {
    const last = (await listObjects(store, place)).named.at(-1)
    return last === undefined ? null : describeObject(store, place, last)
  })
}

/** The last segment of an archive if nothing says that it is whole: it has no SEAL, and no segment follows it. */
export function unsealedEndOf(segments: readonly ArchivedSegment[]): ArchivedSegment | null {
  const last = segments.at(-1)
  return last === undefined || last.isSealed ? null : last
}

/** The objects of a log by their names, oldest segment first. */
async function listObjects(
  store: ObjectStore,
  place: LogPlace,
): Promise<{ named: NamedSegment[]; foreign: ObjectInfo[] }> {
  const named: NamedSegment[] = []
  const foreign: ObjectInfo[] = []
  for await (const object of store.list(folderOf(place))) {
    const baseOffset = parseSegmentKey(place, object.key)
    if (baseOffset === null) foreign.push(object)
    else named.push({ ...object, baseOffset })
  }
  return { named, foreign }
}

/** Divides segments where one does not continue the one before it. */
function runsOf(segments: readonly ArchivedSegment[]): ArchivedSegment[][] {
  const runs: ArchivedSegment[][] = []
  for (const [at, segment] of segments.entries()) {
    const before = segments[at - 1]
    if (before !== undefined && isSameLink(segment.previous, before.link)) runs.at(-1)?.push(segment)
    else runs.push([segment])
  }
  return runs
}

/** Reads both ends of an object, and checks that it is a segment of this log. */
export async function describeObject(
  store: ObjectStore,
  place: LogPlace,
  object: NamedSegment,
): Promise<ArchivedSegment> {
  const { key } = object
  const ends = await readEnds(store, object)
  const { topic, partition, baseOffset, nextOffset, createdMs, previous, link, isSealed } = ends
  if (topic !== place.topic || partition !== place.partition) {
    throw new ArchiveDamagedError(key, `it is one of the log ${topic}/${partition}`)
  }
  if (baseOffset !== object.baseOffset) {
    throw new ArchiveDamagedError(key, `its first offset is ${baseOffset}, expected the one in its name`)
  }
  if (nextOffset === baseOffset) throw new ArchiveDamagedError(key, 'it holds no record, so it was cut')
  return { ...object, nextOffset, createdMs, previous, link, isSealed }
}

async function readEnds(store: ObjectStore, { key, bytes }: ObjectInfo): Promise<SegmentEnds> {
  try {
    return await readSegmentEnds({ path: key, bytes, read: (buffer, position) => store.get(key, buffer, position) })
  } catch (error) {
    if (!(error instanceof WalError)) throw error
    throw new ArchiveDamagedError(key, error.message, error)
  }
}

/** Runs an action that lists, and again if an object was deleted after it was listed. */
async function whileListed<T>(action: () => Promise<T>): Promise<T> {
  for (let listings = 1; ; listings++) {
    try {
      return await action()
    } catch (error) {
      const isDeleted = error instanceof ObjectStoreError && error.code === 'not-found'
      if (!isDeleted || listings === MAX_LISTINGS) throw error
    }
  }
}

/** Results in the order of the items. The first failure is thrown, once no call is under way any more. */
async function mapConcurrently<T, R>(items: readonly T[], action: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  for (let from = 0; from < items.length; from += CONCURRENT_READS) {
    const settled = await Promise.allSettled(items.slice(from, from + CONCURRENT_READS).map(action))
    for (const result of settled) {
      if (result.status === 'rejected') throw result.reason
      results.push(result.value)
    }
  }
  return results
}
