/**
 * The latest commits, in memory. Readers near the end of the log take them from here, all from the same bytes, and need
 * no file. A reader that falls behind continues in the files.
 */
import { nextOffsetAfter } from '../format/frame.ts'
import { RecordBatch } from '../format/record-batch.ts'
import type { LocatedFrame } from '../segments/segment-file.ts'

/** How far a reader may fall behind: at most this many bytes are kept for every log that has readers. */
export const MAX_RECENT_BYTES: number = 4 * 1024 * 1024
/** At most this many bytes are kept for all logs of a thread, so that many idle ones take little memory. */
const MAX_ALL_RECENT_BYTES = 16 * 1024 * 1024

/** The frames of a commit that was just written. */
export interface WrittenFrames {
  /** Their length in the file. */
  readonly bytes: number
  /**
   * Copies them. Call it before the buffer of the commit is used again. Throws if there is no memory for the copies.
   */
  readonly copy: () => readonly LocatedFrame[]
}

/** The memory that the latest commits of many logs share. */
export class RecentMemory {
  /** The bytes of each log that keeps commits. The log that was written longest ago is first. */
  readonly #logs = new Map<RecentFrames, number>()
  #bytes = 0

  /** A log that was just written keeps so many bytes. If all keep too much, the first ones are cleared. */
  keeps(written: RecentFrames, bytes: number): void {
    this.forget(written)
    this.#logs.set(written, bytes)
    this.#bytes += bytes
    for (const log of this.#logs.keys()) {
      if (this.#bytes <= MAX_ALL_RECENT_BYTES) break
      log.clear()
    }
  }

  /** A log keeps nothing. */
  forget(log: RecentFrames): void {
    this.#bytes -= this.#logs.get(log) ?? 0
    this.#logs.delete(log)
  }
}

const threadMemory = new RecentMemory()

export class RecentFrames {
  readonly #memory: RecentMemory
  /** Without gaps, oldest first. */
  #frames: LocatedFrame[] = []
  #bytes = 0
  /** The last answer: all readers that keep up ask for the same offset. */
  #asked: { readonly offset: number; readonly frames: readonly LocatedFrame[] } | null = null

  constructor(memory: RecentMemory = threadMemory) {
    this.#memory = memory
  }

  /**
   * Keeps copies of the frames that were just written, unless they are longer than the limit. Never throws, because the
   * commit must be acknowledged in any case: if the copy fails, readers read the file.
   */
  keep(written: WrittenFrames): void {
    if (written.bytes > MAX_RECENT_BYTES) return this.clear()
    try {
      this.#add(written.copy())
    } catch {
      this.clear()
    }
  }

  #add(written: readonly LocatedFrame[]): void {
    this.#asked = null
    for (const located of written) {
      this.#frames.push({ ...located, batch: RecordBatch.ofFrame(located.frame) })
      this.#bytes += located.frame.bytes.length
    }
    let tooMany = 0
    for (const { frame } of this.#frames) {
      if (this.#bytes <= MAX_RECENT_BYTES) break
      this.#bytes -= frame.bytes.length
      tooMany++
    }
    this.#frames.splice(0, tooMany)
    this.#memory.keeps(this, this.#bytes)
  }

  clear(): void {
    this.#asked = null
    this.#frames = []
    this.#bytes = 0
    this.#memory.forget(this)
  }

  /** The frames from the one that holds this offset; none if that frame is not here. */
  from(offset: number): readonly LocatedFrame[] {
    this.#asked = this.#asked?.offset === offset ? this.#asked : { offset, frames: this.#from(offset) }
    return this.#asked.frames
  }

  #from(offset: number): readonly LocatedFrame[] {
    const at = this.#frames.findLastIndex(({ frame }) => frame.header.baseOffset <= offset)
    const first = this.#frames[at]
    return first !== undefined && nextOffsetAfter(first.frame.header) > offset ? this.#frames.slice(at) : []
  }
}
