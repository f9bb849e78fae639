/** What no later frame proves durable yet: commits that a reader holds back, and the bytes that recovery writes again. */
import { frameEnd, FrameType } from '../format/frame.ts'
import type { Frame, FrameHeader } from '../format/frame.ts'

/**
 * Holds commits back until something proves them durable, for a reader of the last segment of a log whose writer lives
 * in another process: its last commit may be seen there before it is on the disk, and be void after all.
 */
export class ConfirmedFrames {
  /** In order. With each commit a writer proves all before it, so that this is one; in a forged file it may be all. */
  #held: Frame[] = []
  #confirmedTo = 0

  /** Takes the next frames of a segment, and gives the next that may be returned. */
  take(frames: readonly Frame[]): readonly Frame[] {
    for (const { header } of frames) this.#confirmedTo = Math.max(this.#confirmedTo, header.durablePosition)
    this.#held.push(...frames)
    const first = this.#held.findIndex(({ header }) => this.#isUnconfirmed(header))
    return this.#held.splice(0, first === -1 ? this.#held.length : first)
  }

  #isUnconfirmed(header: FrameHeader): boolean {
    return header.type === FrameType.RECORDS && frameEnd(header) > this.#confirmedTo
  }

  /** Gives all that is left: something behind it proves it. */
  takeAll(): readonly Frame[] {
    return this.#held.splice(0)
  }
}

/**
 * The end of a segment that must be written again, since no later frame says it was durable. It holds the verified
 * bytes themselves: the frames of one chunk as one stretch of memory, so that many small ones take no more than they
 * are long.
 */
export class UnconfirmedTail {
  /** Where the first stretch stands in the file. */
  #from = 0
  readonly #stretches: { readonly memory: ArrayBufferLike; readonly start: number; end: number }[] = []
  #confirmedTo = 0

  constructor(headBytes: Buffer) {
    this.#append(headBytes)
  }

  add(frame: Frame): void {
    this.#append(frame.bytes)
    this.#confirmedTo = Math.max(this.#confirmedTo, frame.header.durablePosition)
    for (let first = this.#stretches[0]; first !== undefined; first = this.#stretches[0]) {
      const end = this.#from + first.end - first.start
      if (end > this.#confirmedTo) break
      this.#from = end
      this.#stretches.shift()
    }
  }

  get from(): number {
    return Math.max(this.#from, this.#confirmedTo)
  }

  get buffers(): Buffer[] {
    return this.#stretches.map(({ memory, start, end }, nth) => {
      const from = nth === 0 ? start + this.from - this.#from : start
      return Buffer.from(memory, from, end - from)
    })
  }

  #append({ buffer: memory, byteOffset: start, length }: Buffer): void {
    const last = this.#stretches.at(-1)
    if (last?.memory === memory && last.end === start) last.end += length
    else this.#stretches.push({ memory, start, end: start + length })
  }
}
