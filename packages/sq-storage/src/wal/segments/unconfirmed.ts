/**
 * Frames that no later frame confirms as durable: commits that a reader holds back, and bytes that recovery writes
 * again.
 */
import { frameEnd, FrameType } from '../format/frame.ts'
import type { Frame, FrameHeader } from '../format/frame.ts'

/**
 * Holds commits back until a later frame confirms that they are durable. A reader uses it for the last segment of a log
 * whose writer is in another process: the last commit may be visible before it is on disk, and may be rolled back.
 */
export class ConfirmedFrames {
  /**
   * In order. Each commit of a writer confirms everything before it, so this holds the frames of one commit; in a
   * forged file it may hold all.
   */
  #held: Frame[] = []
  #confirmedTo = 0

  /** Takes the next frames of a segment, and returns those that may be returned to the caller of the reader. */
  take(frames: readonly Frame[]): readonly Frame[] {
    for (const { header } of frames) this.#confirmedTo = Math.max(this.#confirmedTo, header.durablePosition)
    this.#held.push(...frames)
    const first = this.#held.findIndex(({ header }) => this.#isUnconfirmed(header))
    return this.#held.splice(0, first === -1 ? this.#held.length : first)
  }

  #isUnconfirmed(header: FrameHeader): boolean {
    return header.type === FrameType.RECORDS && frameEnd(header) > this.#confirmedTo
  }

  /** Returns all held frames: something after them confirms them. */
  takeAll(): readonly Frame[] {
    return this.#held.splice(0)
  }
}

/**
 * The end of a segment that recovery must write again, because no later frame confirms that it was durable. It holds
 * the verified bytes themselves, the frames of one chunk as one range of memory, so that many small frames take no more
 * memory than their length.
 */
export class UnconfirmedTail {
  /** The position of the first range in the file. */
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
