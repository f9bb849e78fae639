/** The local log against its archive: whether it continues the archive, and which of its segments are to be archived. */
import { join } from 'node:path'
import type { FileSystem } from '@sq/sim'
import { listSegments, readSegmentEnds, readSegmentStart } from '@sq/storage'
import type { SegmentBytes, SegmentEnds, SegmentInfo, SegmentStart } from '@sq/storage'
import type { ArchivedSegment } from '../archived-log.ts'
import { DirectoryObjectStore } from '../directory-object-store.ts'
import { LogMismatchError } from '../errors.ts'
import type { ObjectStore } from '../object-store.ts'
import { folderOf } from '../segment-key.ts'
import type { LogPlace } from '../segment-key.ts'
import { isSameLink } from '../segment-link.ts'

/** The archive of a log. */
interface ArchiveOfLog {
  /** The name of the log. */
  readonly log: string
  /** The last segment of the archive; null if it is empty. */
  readonly last: ArchivedSegment | null
  /** Whether an empty archive may begin with a log whose first segments are no longer here. */
  readonly beginArchive: boolean
}

/**
 * The ended segments of a log that are not archived yet, oldest first. Rejects with `LogMismatchError` if the log does
 * not continue the archive.
 */
export async function segmentsToArchive(
  fs: FileSystem,
  segments: readonly SegmentInfo[],
  { log, last, beginArchive }: ArchiveOfLog,
): Promise<SegmentInfo[]> {
  const mismatch = (reason: string): LogMismatchError =>
    new LogMismatchError(log, reason, {
      archiveEndOffset: last?.nextOffset ?? 0n,
      logStartOffset: segments[0]?.baseOffset ?? 0n,
      logEndOffset: segments.at(-1)?.nextOffset ?? 0n,
    })
  if (last === null) {
    const [first] = segments
    const isTrimmed = !beginArchive && first !== undefined && (await startOf(fs, first)).previous !== null
    if (isTrimmed)
      throw mismatch('the archive is empty, and segments before those of the log were here: is it mounted?')
    return segments.filter(isEnded)
  }
  const at = segments.findIndex(({ baseOffset }) => baseOffset === last.nextOffset)
  const next = segments[at]
  if (next !== undefined) {
    const { previous } = await startOf(fs, next)
    if (!isSameLink(previous, last.link)) throw mismatch(`${next.path} states another segment before it`)
    return segments.slice(at).filter(isEnded)
  }
  const newest = segments.at(-1)
  if (newest !== undefined && isEnded(newest) && isSameLink(newest.link, last.link)) return []
  const [first] = segments
  if (first !== undefined && first.baseOffset > last.nextOffset) throw mismatch('the offsets between are lost')
  if (newest === undefined || newest.nextOffset < last.nextOffset) throw mismatch('the log is behind its archive')
  throw mismatch('no segment begins there: the log was truncated, or is another one')
}

/**
 * Rejects with `LogMismatchError` if the archive is the directory of the log itself: each object would be the only copy
 * of a segment, and would be deleted as archived.
 */
export async function checkOwnDirectory(
  { fs, dataDir, store }: { readonly fs: FileSystem; readonly dataDir: string; readonly store: ObjectStore },
  place: LogPlace,
): Promise<void> {
  const { topic, partition } = place
  const path = join(dataDir, topic, String(partition))
  const isOwn = store instanceof DirectoryObjectStore && (await store.isFolder(fs, path, folderOf(place)))
  if (!isOwn) return
  const segments = await listSegments(fs, { dataDir }, topic, partition)
  const [logStartOffset, logEndOffset] = [segments[0]?.baseOffset ?? 0n, segments.at(-1)?.nextOffset ?? 0n]
  throw new LogMismatchError(
    `${topic}/${partition}`,
    `the store has the log itself in ${path}, which is no copy: use another directory`,
    { archiveEndOffset: logEndOffset, logStartOffset, logEndOffset },
  )
}

/** Whether a segment holds records and will not be written again. */
export function isEnded({ state, records }: SegmentInfo): boolean {
  return state !== 'active' && records > 0
}

/** Both ends of a local segment that has ended. */
export function endsOf(fs: FileSystem, segment: SegmentInfo): Promise<SegmentEnds> {
  return reading(fs, segment, readSegmentEnds)
}

function startOf(fs: FileSystem, segment: SegmentInfo): Promise<SegmentStart> {
  return reading(fs, segment, readSegmentStart)
}

async function reading<T>(
  fs: FileSystem,
  { path, bytes }: SegmentInfo,
  read: (segment: SegmentBytes) => Promise<T>,
): Promise<T> {
  const file = await fs.open(path, 'read')
  try {
    return await read({ path, bytes, read: (buffer, position) => file.read(buffer, position) })
  } finally {
    await file.close()
  }
}
