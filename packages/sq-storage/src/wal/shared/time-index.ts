/** Finds where in a log a time is reached, by the summaries and indexes of its segments. */
import type { CursorContext } from '../reading/log-cursor.ts'
import { sizeOfLast } from '../segments/segment-file.ts'
import type { OpenSegment } from '../segments/segment-file.ts'
import { listSegmentFiles, whileListed } from '../segments/segment-listing.ts'
import type { ListedSegment } from '../segments/segment-listing.ts'

/** How many segments are looked at together, at most: it is little to read, and much to wait for. */
const MAX_TOGETHER = 8

/**
 * An offset before which every record's timestamp is smaller, and not far before the first that is not. Looks at each
 * segment's summary, oldest first, but for those of which enough is known: timestamps are the producers' and in no
 * order, so that only all segments before a place tell whether it is the first. Rejects as reading does.
 */
export async function offsetBefore(context: CursorContext, timestampMs: number): Promise<number> {
  const { fs, partition } = context
  return whileListed(
    () => listSegmentFiles(fs, partition.directory),
    (listed) => new TimestampSearch(context, listed, timestampMs).run(),
  )
}

class TimestampSearch {
  readonly #context: CursorContext
  readonly #listed: readonly ListedSegment[]
  readonly #timestampMs: number

  constructor(context: CursorContext, listed: readonly ListedSegment[], timestampMs: number) {
    this.#context = context
    this.#listed = listed
    this.#timestampMs = timestampMs
  }

  async run(): Promise<number> {
    const { indexes } = this.#context.shared
    const first = indexes.knownBefore(this.#timestampMs, this.#listed)
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
          indexes.forgetTimes()
          throw look.reason
        }
        if (look.value === 'not as known') {
          indexes.forgetTimes()
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
    const { fs, partition, shared } = this.#context
    const opened = await shared.files.hold(fs, segment, partition)
    try {
      if (before !== undefined && !shared.indexes.isAsKnown(before, opened.head)) return 'not as known'
      return await this.#offsetIn(opened, segment)
    } finally {
      await opened.release()
    }
  }

  async #offsetIn(opened: OpenSegment, listed: ListedSegment): Promise<number | null> {
    const { fs, partition, shared } = this.#context
    const { successor } = listed
    const headOf = (segment: ListedSegment) => shared.files.head(fs, segment, partition)
    // Should the log be truncated meanwhile, whoever reads from here on will notice: no need to look again at each.
    const stated = successor && (await shared.indexes.endOf(opened, { successor, headOf, isListedNow: true }))
    const limit = stated?.limit ?? (await sizeOfLast(opened))
    return shared.indexes.offsetBefore(
      { segment: opened, listed, last: stated?.last ?? null, limit },
      this.#timestampMs,
    )
  }
}
