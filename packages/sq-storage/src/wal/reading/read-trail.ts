/**
 * Which frames of a segment were read, sparser the longer ago: some thirty of them, however many there were. By them a
 * reader finds up to where a segment that was changed under it is still the one that it read.
 */
import type { FramePlace } from '../format/frame.ts'

/** A frame that was read: where it began, and the place behind it, which holds its checksum. */
export interface ReadFrame {
  readonly position: number
  readonly end: FramePlace
}

export class ReadTrail {
  #count = 0
  /** By how often 2 divides the number of a frame, the last such frame: the last two frames are always among them. */
  readonly #frames: ReadFrame[] = []

  add(frame: ReadFrame): void {
    this.#count++
    this.#frames[31 - Math.clz32(this.#count & -this.#count)] = frame
  }

  /** Those that are kept, the last one first. */
  newestFirst(): readonly ReadFrame[] {
    return this.#frames.toSorted((left, right) => right.position - left.position)
  }
}
