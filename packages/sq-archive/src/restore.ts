/** Makes the log of a machine out of its archive: downloads it, or begins an empty log where the archive ends. */
import type { FileSystem } from '@sq/sim'
import { copyLog, listSegments, LogNotFoundError, WalIoError, WalWriter } from '@sq/storage'
import type { CopiedLog, SegmentInfo, WalConfig } from '@sq/storage'
import { listArchive, unsealedEndOf } from './archived-log.ts'
import type { ArchivedSegment } from './archived-log.ts'
import { ArchiveError } from './errors.ts'
import { ObjectStoreFileSystem } from './object-store-file-system.ts'
import type { ObjectStore } from './object-store.ts'
import { folderOf } from './segment-key.ts'
import type { LogPlace } from './segment-key.ts'

/** Memory for what is downloaded. Half of it is for what is read ahead, which keeps the network busy. */
const CACHE_BYTES = 32 * 1024 * 1024

/** Where to restore a log. */
export interface RestoreTarget {
  readonly fs: FileSystem
  readonly config: WalConfig
}

/** Options of `restoreLog`. */
export interface RestoreOptions {
  /**
   * The most bytes of segments to download, the newest. With 0 nothing is downloaded: the log begins empty where the
   * archive ends. Any other limit downloads at least the last segment. Default Infinity.
   */
  readonly maxBytes?: number
}

/**
 * Makes a log on a machine that does not have it out of its archive. The log goes on where the archive ends, and what is
 * appended to it continues the chain of segments, so it can be archived in the same place. What was not archived is lost
 * with the machine that had it.
 *
 * What is downloaded is verified, every byte, before the log appears. After a crash or a failure the log is there whole,
 * or not at all; call it again. Memory: 64 MiB, and a description of each segment.
 *
 * Rejects with `LogNotFoundError` if nothing is archived; without `maxBytes`, with an `ArchiveError`
 * (`SQ_ARCHIVE_INCOMPLETE`) if segments before the log do not lead up to it, because some are missing, or if the last
 * one has no SEAL, so that it may be cut; with a `WalIoError` whose `cause` has the code `EEXIST`, and changes nothing, if
 * there is a log of this name; with `CorruptLogError` or `ArchiveDamagedError` if the archive is damaged;
 * with a `WalIoError` for the errors of the file system and of the store; and with `ObjectStoreError`.
 *
 * @example
 * ```ts
 * const target = { fs, config: { dataDir: './restored' } }
 * const { logStartOffset, logEndOffset } = await restoreLog(store, { topic: 'orders', partition: 0 }, target)
 * console.log(logStartOffset, logEndOffset) // 0n 3n
 * ```
 */
export async function restoreLog(
  store: ObjectStore,
  place: LogPlace,
  target: RestoreTarget,
  { maxBytes = Infinity }: RestoreOptions = {},
): Promise<CopiedLog> {
  if (typeof maxBytes !== 'number' || Number.isNaN(maxBytes) || maxBytes < 0) {
    throw new RangeError(`maxBytes must be a number from 0 to Infinity: ${String(maxBytes)}`)
  }
  const { segments, detached } = await listArchive(store, place)
  const last = segments.at(-1)
  if (last === undefined) throw new LogNotFoundError(folderOf(place))
  if (maxBytes === 0) return begin(place, target, last)
  if (maxBytes === Infinity && detached.length > 0) throw incomplete(place, segments)
  const unsealed = unsealedEndOf(segments)
  if (maxBytes === Infinity && unsealed !== null) throw unsealedEnd(place, unsealed)
  const { topic, partition, prefix = '' } = place
  const archive = {
    fs: new ObjectStoreFileSystem(store, { prefix, maxCacheBytes: CACHE_BYTES }),
    config: { dataDir: '/' },
  }
  try {
    return await copyLog(archive, target, topic, partition, { fromOffset: firstWithin(segments, maxBytes) })
  } catch (error) {
    const isThere = error instanceof WalIoError && isExisting(error.cause)
    throw isThere ? alreadyThere(error.path) : error
  }
}

function isExisting(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'EEXIST'
}

function alreadyThere(path: string): WalIoError {
  const advice =
    'open that log if it is the one that you want; otherwise move its directory away, or restore to another data directory'
  const cause = Object.assign(new Error(`EEXIST: something is there already; ${advice}`), { code: 'EEXIST', path })
  return new WalIoError('restore a log to', path, cause)
}

function unsealedEnd({ topic, partition }: LogPlace, { key }: ArchivedSegment): ArchiveError {
  return new ArchiveError(
    'SQ_ARCHIVE_INCOMPLETE',
    `the archive of ${topic}/${partition} may lack its end: the last object, ${JSON.stringify(key)}, has no seal, so it ` +
      'was cut, or it was abandoned after a failed write and the segment after it was not archived. Compare it with ' +
      'another copy if there is one, or restore what is there with a number of bytes',
  )
}

function incomplete({ topic, partition }: LogPlace, [first]: readonly ArchivedSegment[]): ArchiveError {
  return new ArchiveError(
    'SQ_ARCHIVE_INCOMPLETE',
    `the archive of ${topic}/${partition} cannot be restored whole: the segments before offset ${first?.baseOffset} do ` +
      'not lead up to those after it, so segments are missing or of another log. Put back what is missing, or restore ' +
      'only the newest segments, up to a number of bytes',
  )
}

/** The first offset of the newest segments that have no more than this many bytes together. */
function firstWithin(segments: readonly ArchivedSegment[], maxBytes: number): bigint {
  let [bytes, first] = [0, 0n]
  for (const [at, segment] of segments.toReversed().entries()) {
    bytes += segment.bytes
    if (at > 0 && bytes > maxBytes) break
    first = segment.baseOffset
  }
  return first
}

/** Begins an empty log after the last archived segment. */
async function begin(
  { topic, partition }: LogPlace,
  { fs, config }: RestoreTarget,
  { nextOffset, link }: ArchivedSegment,
): Promise<CopiedLog> {
  const found = await segmentsOf(fs, config, topic, partition)
  // Called again after a failure, it finds the empty log that it made itself.
  const isAnother = found.some(({ baseOffset, records }) => baseOffset !== nextOffset || records > 0)
  if (isAnother) {
    throw alreadyThere(`${config.dataDir}/${topic}/${partition}`)
  }
  const writer = await WalWriter.open(fs, config, topic, partition, { firstOffset: nextOffset, previous: link })
  const { logStartOffset, logEndOffset } = writer
  await writer.close()
  return { logStartOffset, logEndOffset, segments: 0, bytes: 0 }
}

async function segmentsOf(
  fs: FileSystem,
  config: WalConfig,
  topic: string,
  partition: number,
): Promise<readonly SegmentInfo[]> {
  try {
    return await listSegments(fs, config, topic, partition)
  } catch (error) {
    if (error instanceof LogNotFoundError) return []
    throw error
  }
}
