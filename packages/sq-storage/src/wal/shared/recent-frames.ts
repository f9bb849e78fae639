/**
 * The commits made last, in memory: those who follow a log get them from here, all the same bytes, and need no file.
 * Who falls behind goes on in the files.
 */
import { nextOffsetAfter } from '../format/frame.ts'
import { RecordBatch } from '../format/record-batch.ts'
import type { LocatedFrame } from '../segments/segment-file.ts'

/** How far one may fall behind. Of every log that is followed so much is kept, at most. */
const MAX_BYTES = 4 * 1024 * 1024

/** A frame that was just written. */
export interface WrittenFrame {
  /** Its length in the file. */
  readonly bytes: number
  /** Copies it. To be called before its commit is used again; throws where there is no memory for the copy. */
  readonly copy: () => LocatedFrame
}

export class RecentFrames {
  /** Without a gap, oldest first. */
  #frames: LocatedFrame[] = []
  #bytes = 0
  /** The last answer: who has kept up asks what the others ask. */
  #asked: { readonly offset: number; readonly frames: readonly LocatedFrame[] } | null = null

  /**
   * Keeps a copy of the frame that was just written, behind the others, unless it is longer than all that is kept. Never
   * throws: whoever waits for the commit must be told of it, so what cannot be copied is read from the file.
   */
  keep(written: WrittenFrame): void {
    if (written.bytes > MAX_BYTES) return this.clear()
    try {
      this.#add(written.copy())
    } catch {
      this.clear()
    }
  }

  #add(located: LocatedFrame): void {
    this.#asked = null
    this.#frames.push({ ...located, batch: RecordBatch.ofFrame(located.frame) })
    this.#bytes += located.frame.bytes.length
    let tooMany = 0
    for (const { frame } of this.#frames) {
      if (this.#bytes <= MAX_BYTES) break
      this.#bytes -= frame.bytes.length
      tooMany++
    }
    this.#frames.splice(0, tooMany)
  }

  clear(): void {
    this.#asked = null
    this.#frames = []
    this.#bytes = 0
  }

  /** All from the one on that begins at this offset; none where that is not here. */
  from(offset: number): readonly LocatedFrame[] {
    this.#asked = this.#asked?.offset === offset ? this.#asked : { offset, frames: this.#from(offset) }
    return this.#asked.frames
  }

  #from(offset: number): readonly LocatedFrame[] {
    const last = this.#frames.at(-1)
    if (last === undefined || offset >= nextOffsetAfter(last.frame.header)) return []
    const at = this.#frames.findLastIndex(({ frame }) => frame.header.baseOffset <= offset)
    return this.#frames[at]?.frame.header.baseOffset === offset ? this.#frames.slice(at) : []
  }
}
