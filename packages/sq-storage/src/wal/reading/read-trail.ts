/**
 * Some of the frames that were read of a segment: at most about thirty, denser towards the last. With them a reader
 * finds how far a changed segment is still the one that it read.
 */
import type { FramePlace } from '../format/frame.ts'

/** A frame that was read: its position, and the place after it, which holds its checksum. */
export interface ReadFrame {
  readonly position: number
  readonly end: FramePlace
}

export class ReadTrail {
  #count = 0
  /**
   * The last frame for each number of times that 2 divides the number of the frame. The last two frames are always
   * included.
   */
  readonly #frames: ReadFrame[] = []

  add(frame: ReadFrame): void {
    this.#count++
    this.#frames[31 - Math.clz32(this.#count & -this.#count)] = frame
  }

  /** The kept frames, the last one first. */
  newestFirst(): readonly ReadFrame[] {
    return this.#frames.toSorted((left, right) => right.position - left.position)
  }
}
