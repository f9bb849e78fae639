/**
 * Holds commits back until something proves them durable, for who reads the last segment of a log whose writer lives in
 * another process: its last commit may be seen there before it is on the disk, and be void after all.
 */
import { frameEnd, FrameType } from '../format/frame.ts'
import type { Frame, FrameHeader } from '../format/frame.ts'

export class ProvenFrames {
  /** In order. With each commit a writer proves all before it, so that this is one; in a forged file it may be all. */
  #held: Frame[] = []
  #provenTo = 0

  /** Takes the next frames of a segment, and gives the next that may be returned. */
  take(frames: readonly Frame[]): readonly Frame[] {
    for (const { header } of frames) this.#provenTo = Math.max(this.#provenTo, header.durablePosition)
    this.#held.push(...frames)
    const first = this.#held.findIndex(({ header }) => this.#needsProof(header))
    return this.#held.splice(0, first === -1 ? this.#held.length : first)
  }

  #needsProof(header: FrameHeader): boolean {
    return header.type === FrameType.RECORDS && frameEnd(header) > this.#provenTo
  }

  /** Gives all that is left: something behind it proves it. */
  takeAll(): readonly Frame[] {
    return this.#held.splice(0)
  }
}
