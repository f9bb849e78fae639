/**
 * What a reader in another process looks at whenever it has come to the last frame of a log again. In a recycled file
 * (`format/recycling-trailer.ts`) as many bytes follow that frame as a segment has, and each commit wakes the reader.
 */
import type { CorruptLogError } from '../../errors.ts'
import { FRAME_HEADER_BYTES } from '../format/frame.ts'
import { confirmedDamage, damageConfirmedIn } from './damage.ts'
import type { Break } from './damage.ts'
import type { OpenSegment } from './segment-file.ts'

/** More than the zeros that a writer preallocates: a file without stale bytes is always searched to its end. */
const PART_BYTES = 512 * 1024

/**
 * Searches the bytes after the last frame of a segment for frames that confirm that more was durable. If they are many,
 * it searches all of them when it comes to the segment, and then a part at each call, one after another. So damage that
 * is there when a reader comes to a segment is found at once, damage that comes later while the log is written is found
 * after some commits, and otherwise a call reads a bounded number of bytes.
 */
export class LaterFrames {
  /** The segment that was searched last. */
  #salt: number | null = null
  /** Where the next part begins. */
  #next = 0

  /** The damage at a break, as `confirmedDamage` finds it; null if nothing that is searched now confirms it. */
  damageAt(segment: OpenSegment, here: Break): Promise<CorruptLogError | null> {
    if (here.limit - here.stop.position <= PART_BYTES) return confirmedDamage(segment, here)
    return segment.head.frame.headerCrc === this.#salt ? this.#inNextPart(segment, here) : this.#inAll(segment, here)
  }

  async #inAll(segment: OpenSegment, here: Break): Promise<CorruptLogError | null> {
    const damage = await confirmedDamage(segment, here)
    // A second look finds the same.
    this.#salt = damage === null ? segment.head.frame.headerCrc : null
    this.#next = here.stop.position
    return damage
  }

  async #inNextPart(segment: OpenSegment, here: Break): Promise<CorruptLogError | null> {
    const { limit, stop } = here
    const from = Math.max(this.#next, stop.position)
    const to = Math.min(from + PART_BYTES, limit)
    const damage = await damageConfirmedIn(segment, here, { from, to })
    if (damage !== null) this.#next = from
    // A header may begin in this part and end in the next one. After the last part comes the first.
    else this.#next = to === limit ? stop.position : to - FRAME_HEADER_BYTES
    return damage
  }
}
