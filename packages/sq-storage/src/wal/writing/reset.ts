/**
 * Drops all records of a log, which then continues empty at a given offset. The new segment is complete and durable
 * under an intent name, which older versions ignore, before the first segment of the old log goes. From then on it is
 * the log for every reader (`listLog`). If this is interrupted after that, recovery completes it. So a crash leaves the
 * old log, or leads to the new one: nobody continues in a part of the old log.
 */
import { join } from 'node:path'
import { LOG_START_NAME, resetName, segmentName } from '../segment.ts'
import type { SegmentLink } from '../segment.ts'
import type { Partition } from '../segments/partition.ts'
import { readHead } from '../segments/segment-file.ts'
import { listNames, resetAmong, segmentsAmong } from '../segments/segment-listing.ts'
import { ActiveSegment } from './active-segment.ts'
import type { SegmentMaker } from './active-segment.ts'
import type { SegmentDirectory } from './partition-directory.ts'

/**
 * Resets a log. The new segment states `previous` as the segment before it. `begin` is called before the first change
 * that a crash may leave. Rejects with `CorruptLogError`, `UnsupportedFormatError`, `WalIoError` and `LockLostError`.
 * If it rejects after `begin` was called, call it again: until it has resolved, nothing may be written to the log.
 */
export async function resetLog(
  maker: SegmentMaker,
  { offset, previous, begin }: { offset: number; previous: SegmentLink | null; begin: () => Promise<void> },
): Promise<ActiveSegment> {
  const { directory, partition } = maker
  await directory.checkLock()
  await finishReset(directory, partition)
  return ActiveSegment.create(maker, {
    baseOffset: offset,
    previous,
    first: null,
    async place() {
      await begin()
      await directory.finish(join(directory.path, resetName(offset)))
      await replaceSegments(directory, offset)
    },
  })
}

/** Completes a reset that was interrupted. Nothing is changed if its segment does not verify. */
export async function finishReset(directory: SegmentDirectory, partition: Partition): Promise<void> {
  const { fs, path } = directory
  const names = await directory.whileThere(() => listNames(fs, path))
  const intent = resetAmong(names, path)
  if (intent === null) return
  await readHead(fs, intent, partition)
  await replaceSegments(directory, intent.baseOffset)
}

/**
 * Removes all segments, oldest first, and then the log start, so that a reader meanwhile sees no deleted record. Then
 * the new segment gets its name.
 */
async function replaceSegments(directory: SegmentDirectory, offset: number): Promise<void> {
  const { fs, path } = directory
  const names = await directory.whileThere(() => listNames(fs, path))
  for (const segment of segmentsAmong(names, path)) await directory.remove(segment.path)
  if (names.includes(LOG_START_NAME)) await directory.remove(join(path, LOG_START_NAME))
  await directory.rename(join(path, resetName(offset)), join(path, segmentName(offset)))
}
