/** The ended segments of a log that are not archived yet, in the order of their offsets. */
import type { SegmentInfo } from '@sq/storage'
import { isSameLink } from '../segment-link.ts'

export class SegmentQueue {
  #segments: SegmentInfo[] = []
  /** Those that were added since the listing under way has begun. */
  #arrived: SegmentInfo[] = []
  /** Whether the log must be listed, because these may not be its segments any more. */
  isStale = true

  get first(): SegmentInfo | undefined {
    return this.#segments[0]
  }

  get last(): SegmentInfo | undefined {
    return this.#segments.at(-1)
  }

  get count(): number {
    return this.#segments.length
  }

  get bytes(): number {
    return this.#segments.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  /** Adds a segment that has ended. If it does not follow the last one, the log was truncated or reset. */
  add(segment: SegmentInfo, archivedOffset: bigint): void {
    this.#arrived.push(segment)
    this.#append(segment, archivedOffset)
  }

  /** The log is about to be listed. */
  listing(): void {
    this.isStale = false
    this.#arrived = []
  }

  /** The log was listed. What was added meanwhile may be missing in the listing. */
  fill(segments: readonly SegmentInfo[], archivedOffset: bigint): void {
    this.#segments = [...segments]
    for (const segment of this.#arrived.splice(0)) this.#append(segment, archivedOffset)
  }

  /** The first segment is archived. */
  shift(): void {
    this.#segments.shift()
  }

  #append(segment: SegmentInfo, archivedOffset: bigint): void {
    const { last } = this
    if (segment.baseOffset === (last?.nextOffset ?? archivedOffset)) this.#segments.push(segment)
    else if (!this.#has(segment)) this.isStale = true
  }

  /** Looks from the end: a segment that is added twice is one of the last. */
  #has({ baseOffset, link }: SegmentInfo): boolean {
    const found = this.#segments.findLast((segment) => segment.baseOffset <= baseOffset)
    return found !== undefined && isSameLink(found.link, link)
  }
}
