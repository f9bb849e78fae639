/** Finds the offset in a log where a time is reached, by the summaries and indexes of its segments. */
import type { FileSystem } from '@sq/sim'
import type { Partition } from '../segments/partition.ts'
import type { VerifiedEnd } from '../segments/segment-end.ts'
import type { OpenSegment, SegmentHead } from '../segments/segment-file.ts'
import { listLog } from '../segments/log-start.ts'
import { whileListed } from '../segments/segment-listing.ts'
import type { ListedSegment } from '../segments/segment-listing.ts'
import type { Indexed, SegmentIndexes } from './segment-index.ts'
import type { SharedFiles } from './shared-files.ts'

/** What is known about a closed segment, as long as it has this successor. */
interface KnownTimes extends Omit<VerifiedEnd, 'fileBytes'> {
  readonly nextBaseOffset: number
  readonly maxTimestampMs: number
}

/** What is known about the timestamps in the closed segments of one log. */
export class SegmentTimes {
  /** By base offset. */
  readonly #ended = new Map<number, KnownTimes>()

  /** The number of oldest segments that are known to have only smaller timestamps. */
  knownBefore(timestampMs: number, listed: readonly ListedSegment[]): number {
    // Entries of deleted segments are dropped soon.
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
   * Whether what is known about a segment, and about all before it, still holds: its successor states its last frame,
   * whose checksum covers all frames before it, and the first of these states the last frame of the segment before.
   */
  isAsKnown({ baseOffset }: ListedSegment, { open: { previous } }: SegmentHead): boolean {
    const known = this.#ended.get(baseOffset)
    const isStated = previous?.baseOffset === baseOffset && previous.end === known?.limit
    return isStated && previous.lastCrc === known.last.headerCrc
  }

  /** Forgets everything about timestamps. */
  forget(): void {
    this.#ended.clear()
  }

  /**
   * An offset of the segment before which every timestamp is smaller, close before the first one that is not. Null if
   * all timestamps of a closed segment are smaller.
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

/** The most segments that are read together: each read is small, so most of the time is waiting. */
const MAX_TOGETHER = 8

/** A log, and what this thread knows about it. */
interface SearchedLog {
  readonly fs: FileSystem
  readonly partition: Partition
  readonly files: SharedFiles
  readonly indexes: SegmentIndexes
  readonly times: SegmentTimes
  /** The log start offset if a writer in this thread knows it; null otherwise. */
  readonly firstOffset: number | null
}

/**
 * An offset of the log before which the timestamp of every record is smaller, close before the first one that is not.
 * It reads the summary of each segment, oldest first, unless enough is known about it: timestamps come from producers
 * in any order, so all segments before a place must be checked. Rejects as reading does.
 */
export async function offsetBefore(log: SearchedLog, timestampMs: number): Promise<number> {
  const { fs, partition } = log
  return whileListed(
    () => listLog(fs, partition, log.firstOffset),
    async ({ segments, firstOffset }) =>
      Math.max(await new TimestampSearch(log, segments, timestampMs).run(), firstOffset),
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
      // Failures in segments after the answer do not matter.
      for (const look of await Promise.allSettled(looks)) {
        if (look.status === 'rejected') {
          // The segments after it may be newly known while this one is stale.
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

  /**
   * The number of segments to read next. The last segment is read alone, because without a SEAL all of it must be read.
   */
  #howMany(at: number, most: number): number {
    return Math.max(1, Math.min(most, MAX_TOGETHER, this.#listed.length - 1 - at))
  }

  /**
   * The offset if it is in this segment. If the segment before was skipped because it was known, that is verified here.
   */
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
    // If the log is truncated in the meantime, the reader notices, so this need not check each segment again.
    const end = await indexes.endOf(opened, { successor, headOf, isListedNow: true })
    return times.offsetBefore({ segment: opened, listed, ...end }, { timestampMs: this.#timestampMs, indexes })
  }
}
