/** Deletes the oldest segments of an archive, and what does not belong to its log. */
import { listExpired } from '@sq/storage'
import type { RetentionPolicy } from '@sq/storage'
import { listArchive } from './archived-log.ts'
import type { ArchivedSegment } from './archived-log.ts'
import { ArchiveError } from './errors.ts'
import { ObjectStoreFileSystem } from './object-store-file-system.ts'
import type { ObjectStore } from './object-store.ts'
import type { LogPlace } from './segment-key.ts'

/**
 * The segments at the end that always stay. The last one says where the archive ends, and a late writer finds by the
 * one before it that it is late.
 */
const KEPT_SEGMENTS = 2

/** Which segments to delete. */
export interface ArchiveRetention {
  /** The limits, as for the `deleteSegments` of a writer. They count the segments of the archive. */
  readonly policy: RetentionPolicy
  /** The time for which the policy is evaluated, in milliseconds since 1970. */
  readonly nowMs: number
  /** Whether to delete nothing, and say what would be deleted. Default false. */
  readonly dryRun?: boolean
}

/** What was deleted. */
export interface ArchiveDeletion {
  /** The segments of the log that were deleted, oldest first. */
  readonly segments: readonly ArchivedSegment[]
  /** The late uploads that were deleted: see `ArchivedLog`. */
  readonly lateUploads: readonly ArchivedSegment[]
}

/**
 * Deletes the oldest segments of an archive that a policy releases, one after the other, and late uploads. The last two
 * segments always stay. If it is interrupted, what is left is the log from some segment on; call it again.
 *
 * Deletes nothing, and rejects with an `ArchiveError` (`SQ_ARCHIVE_INCOMPLETE`), if segments before the log do not
 * lead up to it: some are missing, or of another log, and a restore of the whole log would fail. Rejects as `listArchive` and as `listExpired` of `@sq/storage`
 * do.
 *
 * @example
 * ```ts
 * const question = { policy: { maxTotalBytes: 1_000_000 }, nowMs: Date.now() }
 * const { segments } = await deleteArchived(store, { topic: 'orders', partition: 0 }, question)
 * console.log(segments.length) // 0
 * ```
 */
export async function deleteArchived(
  store: ObjectStore,
  place: LogPlace,
  { policy, nowMs, dryRun = false }: ArchiveRetention,
): Promise<ArchiveDeletion> {
  const { segments, lateUploads, detached } = await listArchive(store, place)
  const [run] = detached
  if (run !== undefined) throw incomplete(place, run)
  const expired = segments.length <= KEPT_SEGMENTS ? new Set() : await expiredOffsets(store, place, { policy, nowMs })
  const deleted = segments.slice(0, -KEPT_SEGMENTS).filter(({ baseOffset }) => expired.has(baseOffset))
  if (!dryRun) for (const { key } of [...lateUploads, ...deleted]) await store.delete(key)
  return { segments: deleted, lateUploads }
}

/** The first offsets of the segments that a policy releases. */
async function expiredOffsets(
  store: ObjectStore,
  { prefix = '', topic, partition }: LogPlace,
  question: { policy: RetentionPolicy; nowMs: number },
): Promise<ReadonlySet<bigint>> {
  const archive = new ObjectStoreFileSystem(store, { prefix })
  const expired = await listExpired(archive, { dataDir: '/' }, topic, partition, question)
  return new Set(expired.map(({ baseOffset }) => baseOffset))
}

function incomplete({ topic, partition }: LogPlace, run: readonly ArchivedSegment[]): ArchiveError {
  const until = run.at(-1)?.nextOffset ?? 0n
  return new ArchiveError(
    'SQ_ARCHIVE_INCOMPLETE',
    `nothing is deleted from the archive of ${topic}/${partition}: the segments before offset ${until} do not lead up to ` +
      'those after it, so segments are missing or of another log. Put back what is missing, or remove what does not belong',
  )
}
