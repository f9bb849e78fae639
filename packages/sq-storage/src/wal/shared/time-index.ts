/** Finds where in a log a time is reached, by the summaries and indexes of its segments. */
import type { FileSystem } from '@sq/sim'
import type { Partition } from '../segments/partition.ts'
import { sizeOfLast } from '../segments/segment-file.ts'
import type { OpenSegment, SegmentHead } from '../segments/segment-file.ts'
import { listSegmentFiles, whileListed } from '../segments/segment-listing.ts'
import type { ListedSegment } from '../segments/segment-listing.ts'
import type { Indexed, SegmentIndexes, StatedEnd } from './segment-index.ts'
import type { SharedFiles } from './shared-files.ts'

/** What is known of an ended segment, as long as it has this successor. */
interface EndedSegment extends StatedEnd {
  readonly nextBaseOffset: number
  readonly maxTimestampMs: number
}

/** What is known of the timestamps in one log's ended segments. */
export class SegmentTimes {
  /** By base offset. */
  readonly #ended = new Map<number, EndedSegment>()

  /** How many of the oldest segments have only timestamps smaller than this, as far as is known. */
  knownBefore(timestampMs: number, listed: readonly ListedSegment[]): number {
    // Of segments that were deleted meanwhile nothing is kept for long.
    if (this.#ended.size > 2 * listed.length) this.#ended.clear()
    const at = listed.findIndex(({ baseOffset, successor }) => {
      const known = this.#ended.get(baseOffset)
      return (
        known === undefined || known.nextBaseOffset !== successor?.baseOffset || known.maxTimestampMs >= timestampMs
      )
    })
    return at === -1 ? listed.length : at
  }

  /**
   * Whether what is known of a segment, and of all before it, is so: its successor states its last frame, whose
   * checksum stands for all frames before it, the first of which states the last frame of the segment before.
   */
  isAsKnown({ baseOffset }: ListedSegment, { open: { previous } }: SegmentHead): boolean {
    const known = this.#ended.get(baseOffset)
    const isStated = previous?.baseOffset === baseOffset && previous.end === known?.limit
    return isStated && previous.lastCrc === known.last.headerCrc
  }

  /** Nothing of what is known of timestamps is so. */
  forget(): void {
    this.#ended.clear()
  }

  /**
   * An offset of the segment before which every timestamp is smaller, and not far before the first that is not; null
   * where all of an ended segment's are smaller.
   */
  async offsetBefore(
    { segment, last, limit, listed }: Indexed & { listed: ListedSegment },
    { timestampMs, indexes }: { timestampMs: number; indexes: SegmentIndexes },
  ): Promise<number | null> {
    const { index, maxTimestampMs } = await indexes.summaryOf({ segment, last, limit })
    const { baseOffset, successor } = listed
    if (last !== null && successor !== null) {
      this.#ended.set(baseOffset, { nextBaseOffset: successor.baseOffset, maxTimestampMs, last, limit })
    }
    if (last !== null && maxTimestampMs < timestampMs) return null
    const entry = index.findLast((indexed) => indexed.maxTimestampMs < timestampMs && indexed.position < limit)
    return segment.head.baseOffset + (entry?.offsetDelta ?? 0)
  }
}

/** How many segments are looked at together, at most: it is little to read, and much to wait for. */
const MAX_TOGETHER = 8

/** A log, and what this thread knows of it. */
interface SearchedLog {
  readonly fs: FileSystem
  readonly partition: Partition
  readonly files: SharedFiles
  readonly indexes: SegmentIndexes
  readonly times: SegmentTimes
}

/**
 * An offset before which every record's timestamp is smaller, and not far before the first that is not. Looks at each
 * segment's summary, oldest first, but for those of which enough is known: timestamps are the producers' and in no
 * order, so that only all segments before a place tell whether it is the first. Rejects as reading does.
 */
export async function offsetBefore(log: SearchedLog, timestampMs: number): Promise<number> {
  const { fs, partition } = log
  return whileListed(
    () => listSegmentFiles(fs, partition.directory),
    (listed) => new TimestampSearch(log, listed, timestampMs).run(),
  )
}

class TimestampSearch {
  readonly #log: SearchedLog
  readonly #listed: readonly ListedSegment[]
  readonly #timestampMs: number

  constructor(log: SearchedLog, listed: readonly ListedSegment[], timestampMs: number) {
    this.#log = log
    this.#listed = listed
    this.#timestampMs = timestampMs
  }

  async run(): Promise<number> {
    const { times } = this.#log
    const first = times.knownBefore(this.#timestampMs, this.#listed)
    let together = 1
    for (let at = first; at < this.#listed.length; at += together) {
      together = this.#howMany(at, at === first ? 1 : 2 * together)
      const looks = this.#listed.slice(at, at + together).map((segment, index) => {
        const isFirst = at + index === first
        return this.#lookIn(segment, isFirst ? this.#listed[first - 1] : undefined)
      })
      // Of those that come behind the answer nobody cares, nor what is wrong with them.
      for (const look of await Promise.allSettled(looks)) {
        if (look.status === 'rejected') {
          // Those behind it may be known anew, and it as it was before.
          times.forget()
          throw look.reason
        }
        if (look.value === 'not as known') {
          times.forget()
          return this.run()
        }
        if (look.value !== null) return look.value
      }
    }
    return 0
  }

  /** How many to look at next. Not the last one among others: for want of a SEAL it is read, all of it. */
  #howMany(at: number, most: number): number {
    return Math.max(1, Math.min(most, MAX_TOGETHER, this.#listed.length - 1 - at))
  }

  /** The offset, if it is in a segment. What is known of the one before, if that was passed over, is checked here. */
  async #lookIn(segment: ListedSegment, before: ListedSegment | undefined): Promise<number | null | 'not as known'> {
    const { fs, partition, files, times } = this.#log
    const opened = await files.hold(fs, segment, partition)
    try {
      if (before !== undefined && !times.isAsKnown(before, opened.head)) return 'not as known'
      return await this.#offsetIn(opened, segment)
    } finally {
      await opened.release()
    }
  }

  async #offsetIn(opened: OpenSegment, listed: ListedSegment): Promise<number | null> {
    const { fs, partition, files, indexes, times } = this.#log
    const { successor } = listed
    const headOf = (segment: ListedSegment) => files.head(fs, segment, partition)
    // Should the log be truncated meanwhile, whoever reads from here on will notice: no need to look again at each.
    const stated = successor && (await indexes.endOf(opened, { successor, headOf, isListedNow: true }))
    const limit = stated?.limit ?? (await sizeOfLast(opened))
    return times.offsetBefore(
      { segment: opened, listed, last: stated?.last ?? null, limit },
      { timestampMs: this.#timestampMs, indexes },
    )
  }
}
