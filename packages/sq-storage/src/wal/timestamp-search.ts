/** Finds where in a log a time is reached, by the summaries and indexes of its segments. */
import type { CursorContext } from './log-cursor.ts'
import { giveUp, io, listSegmentFiles, openSegment } from './segment-file.ts'
import type { ListedSegment } from './segment-file.ts'

/**
 * An offset before which every record's timestamp is smaller, and not far before the first that is not. Looks at each
 * segment's summary, oldest first, but for those of which it remembers enough. Rejects as reading does.
 */
export async function offsetBefore(context: CursorContext, timestampMs: number): Promise<number> {
  const { fs, partition } = context
  const listed = await listSegmentFiles(fs, partition.directory)
  for (const segment of context.shared.indexes.notBefore(timestampMs, listed)) {
    const successor = listed[listed.indexOf(segment) + 1]
    const offset = await offsetBeforeIn(context, { segment, successor, timestampMs })
    if (offset !== null) return offset
  }
  return 0
}

async function offsetBeforeIn(
  { fs, partition, shared }: CursorContext,
  where: { segment: ListedSegment; successor: ListedSegment | undefined; timestampMs: number },
): Promise<number | null> {
  const { segment, successor, timestampMs } = where
  const opened = await openSegment(fs, segment, { partition, mode: 'read' })
  try {
    // Should the log be truncated meanwhile, whoever reads from here on will notice: no need to look again at each.
    const stated = successor && (await shared.indexes.endOf(opened, { successor, fs, partition, isListedNow: true }))
    const limit = stated?.limit ?? (await io('read the size of', segment.path, () => opened.handle.size()))
    const indexed = { segment: opened, listed: segment, last: stated?.last ?? null, limit }
    return await shared.indexes.offsetBefore(indexed, timestampMs)
  } finally {
    await giveUp(opened.handle)
  }
}
