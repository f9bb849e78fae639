/** Checks the archive of a log, and changes nothing. */
import { verify } from '@sq/storage'
import type { LogReport } from '@sq/storage'
import { inspectArchive, unsealedEndOf } from './archived-log.ts'
import type { ArchivedSegment, OffsetGap } from './archived-log.ts'
import type { ArchiveDamagedError } from './errors.ts'
import type { ObjectInfo, ObjectStore } from './object-store.ts'
import { ObjectStoreFileSystem } from './object-store-file-system.ts'
import type { LogPlace } from './segment-key.ts'

/** Options of `verifyArchive`. */
export interface VerifyOptions {
  /** Whether to read every byte. Default false: only the ends of each segment. */
  readonly deep?: boolean
}

/** What `verifyArchive` found. */
export interface ArchiveReport {
  /** The segments of the log, oldest first: each continues the one before it. */
  readonly segments: readonly ArchivedSegment[]
  /** Their bytes. */
  readonly bytes: number
  /** The offsets of the log; both are 0 if the archive is empty. */
  readonly logStartOffset: bigint
  readonly logEndOffset: bigint
  /** Objects with the name of a segment that are not a whole segment of this log. */
  readonly damaged: readonly ArchiveDamagedError[]
  /** Offsets that are missing, although segments before and after them are there. */
  readonly gaps: readonly OffsetGap[]
  /**
   * Segments before the log that do not lead up to it, in runs, oldest first: before a gap, or of another log that was
   * stored in the same place.
   */
  readonly detached: readonly (readonly ArchivedSegment[])[]
  /**
   * The last segment, if it does not end with its SEAL: it was cut, or it was abandoned after a failed write and the
   * segment after it, which says where it ends, is not archived yet. Null if it is sealed.
   */
  readonly unsealedEnd: ArchivedSegment | null
  /** Segments whose upload took effect after retention had deleted them: see `ArchivedLog`. */
  readonly lateUploads: readonly ArchivedSegment[]
  /** Objects with other names. They are ignored. */
  readonly foreign: readonly ObjectInfo[]
  /** With `deep`: what `verify` says of every byte of the log; null if the archive is empty. */
  readonly content: LogReport | null
  /** Whether all of the log is there, up to a sealed end, and undamaged, and nothing of another log. */
  readonly isSound: boolean
}

/**
 * Checks the archive of a log: that each segment continues the one before it, with the checksum that it states, and that
 * each object is whole. With `deep`, that every byte is as it was written. Without it, it costs a listing and two or
 * three small reads of each segment.
 *
 * Rejects with `ObjectStoreError`, and with `deep` as `verify` does. What it finds is in the report.
 *
 * @example
 * ```ts
 * const report = await verifyArchive(store, { topic: 'orders', partition: 0 }, { deep: true })
 * console.log(report.isSound, report.logEndOffset) // true 3n
 * ```
 */
export async function verifyArchive(
  store: ObjectStore,
  place: LogPlace,
  { deep = false }: VerifyOptions = {},
): Promise<ArchiveReport> {
  const { segments, lateUploads, detached, gaps, foreign, damaged } = await inspectArchive(store, place)
  const content = deep && segments.length > 0 ? await checkContent(store, place) : null
  const unsealedEnd = unsealedEndOf(segments)
  const isLinked = damaged.length === 0 && detached.length === 0 && unsealedEnd === null
  return {
    segments,
    bytes: segments.reduce((bytes, segment) => bytes + segment.bytes, 0),
    logStartOffset: segments[0]?.baseOffset ?? 0n,
    logEndOffset: segments.at(-1)?.nextOffset ?? 0n,
    damaged,
    gaps,
    detached,
    unsealedEnd,
    lateUploads,
    foreign,
    content,
    isSound: isLinked && (content?.problems.length ?? 0) === 0,
  }
}

function checkContent(store: ObjectStore, { prefix = '', topic, partition }: LogPlace): Promise<LogReport> {
  return verify(new ObjectStoreFileSystem(store, { prefix }), { dataDir: '/' }, topic, partition)
}
