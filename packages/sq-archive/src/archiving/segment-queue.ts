/** The ended segments of a log that are not archived yet, in the order of their offsets. */
import type { SegmentInfo } from '@sq/storage'
import { isSameLink } from '../segment-link.ts'

export class SegmentQueue {
  #segments: SegmentInfo[] = []
  #isListing = false
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

  /**
   * Adds a segment that has ended. If it does not follow the last one, the log was truncated or reset. A listing under
   * way may have it or not.
   */
  add(segment: SegmentInfo, archivedOffset: bigint): void {
    const { last } = this
    if (this.#isListing) this.isStale = true
    else if (segment.baseOffset === (last?.nextOffset ?? archivedOffset)) this.#segments.push(segment)
    else if (!this.#has(segment)) this.isStale = true
  }

  /** Takes the segments from a listing of the log. If that fails, the log must be listed again. */
  async fill(list: () => Promise<readonly SegmentInfo[]>): Promise<void> {
    this.isStale = false
    this.#isListing = true
    try {
      this.#segments = [...(await list())]
    } catch (error) {
      this.isStale = true
      throw error
    } finally {
      this.#isListing = false
    }
  }

  /** The first segment is archived. */
  shift(): void {
    this.#segments.shift()
  }

  /** Looks from the end: a segment that is added twice is one of the last. */
  #has({ baseOffset, link }: SegmentInfo): boolean {
    const found = this.#segments.findLast((segment) => segment.baseOffset <= baseOffset)
    return found !== undefined && isSameLink(found.link, link)
  }
}
