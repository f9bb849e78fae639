/**
 * Searches a segment for frame headers, wherever they stand: behind bytes that are not the next frame. `scan.ts` walks
 * from frame to frame.
 */
import type { FileHandle } from '@sq/sim'
import { decodeFrameHeader, FRAME_ALIGNMENT, FRAME_HEADER_BYTES, MARKER } from '../format/frame.ts'
import type { FrameHeader } from '../format/frame.ts'

const WINDOW_BYTES = 512 * 1024
/** The first byte of every frame. */
const MARKER_BYTE = MARKER & 0xff

/** What is searched of a segment: up to `to`, for frames with its salt. */
export interface SearchRange {
  readonly to: number
  readonly salt: number
}

/** Whether a header that verifies is an answer to a search from this position on. Once it is none, it never is. */
type Accept = (header: FrameHeader, from: number) => boolean

/**
 * A search that is asked again and again, from positions that never decrease: however often it is asked, each byte is
 * read and each header checked once, and then once more before the answer is that there is none. It holds one window of
 * 512 KiB.
 */
export class FrameSearch {
  readonly #handle: Pick<FileHandle, 'read'>
  readonly #range: SearchRange
  readonly #accept: Accept
  #window: Buffer | null = null
  /** The headers of the window that verify, and how many of them were passed. */
  #headers: FrameHeader[] = []
  #passed = 0
  /** What is not read yet begins here. */
  #unread = 0
  #seenTo = 0

  private constructor(handle: Pick<FileHandle, 'read'>, range: SearchRange, accept: Accept) {
    this.#handle = handle
    this.#range = range
    this.#accept = accept
  }

  /** Finds any frame header. */
  static forFrames(handle: Pick<FileHandle, 'read'>, range: SearchRange): FrameSearch {
    return new FrameSearch(handle, range, () => true)
  }

  /** Finds a frame header which proves that more than the position asked from was durable. */
  static forConfirmations(handle: Pick<FileHandle, 'read'>, range: SearchRange): FrameSearch {
    return new FrameSearch(handle, range, ({ durablePosition }, from) => durablePosition > from)
  }

  /**
   * The position of the last header that was read: a writer has finished all before it, so that what is read there from
   * now on no longer changes.
   */
  get seenTo(): number {
    return this.#seenTo
  }

  /** The first header at `from`, a multiple of 8, or behind it; null if there is none. */
  async first(from: number): Promise<FrameHeader | null> {
    const readBefore = this.#unread
    const found = await this.#next(from)
    if (found !== null || readBefore <= from) return found
    // A writer may have written since what an earlier call has read.
    this.#unread = from
    this.#headers = []
    this.#passed = 0
    return this.#next(from)
  }

  async #next(from: number): Promise<FrameHeader | null> {
    do {
      for (; this.#passed < this.#headers.length; this.#passed++) {
        const header = this.#headers[this.#passed]
        if (header !== undefined && header.position >= from && this.#accept(header, from)) return header
      }
      this.#unread = Math.max(this.#unread, from)
    } while (await this.#readWindow())
    return null
  }

  /** Reads on, and takes all headers of what it reads. False at the end. */
  async #readWindow(): Promise<boolean> {
    const { to, salt } = this.#range
    const start = this.#unread
    if (to - start < FRAME_HEADER_BYTES) return false
    this.#window ??= Buffer.allocUnsafe(Math.min(WINDOW_BYTES, to - start))
    const bytesRead = await this.#handle.read(
      this.#window.subarray(0, Math.min(this.#window.length, to - start)),
      start,
    )
    if (bytesRead < FRAME_HEADER_BYTES) return false
    const window = this.#window.subarray(0, bytesRead)
    this.#headers = []
    this.#passed = 0
    let at = nextMarker(window, 0)
    for (; at + FRAME_HEADER_BYTES <= bytesRead; at = nextMarker(window, at + FRAME_ALIGNMENT)) {
      const header = decodeFrameHeader(window, { at, position: start + at, salt })
      if (header !== null) this.#headers.push(header)
    }
    this.#seenTo = Math.max(this.#seenTo, this.#headers.at(-1)?.position ?? 0)
    this.#unread = start + roundUp(bytesRead - FRAME_HEADER_BYTES + 1)
    return true
  }
}

/**
 * Looks in `[from, to)` of a segment for a frame header that proves more than `from` to have been durable; null if there
 * is none: what begins at `from` was then never acknowledged, as far as the file can tell.
 */
export function findConfirmation(
  handle: Pick<FileHandle, 'read'>,
  { from, ...range }: SearchRange & { from: number },
): Promise<FrameHeader | null> {
  return FrameSearch.forConfirmations(handle, range).first(from)
}

/** The next place from a multiple of 8 on where a frame may begin; the end, where there is none. */
function nextMarker(window: Buffer, from: number): number {
  for (let at = window.indexOf(MARKER_BYTE, from); at !== -1; at = window.indexOf(MARKER_BYTE, roundUp(at))) {
    if (at % FRAME_ALIGNMENT === 0) return at
  }
  return window.length
}

function roundUp(position: number): number {
  return Math.ceil(position / FRAME_ALIGNMENT) * FRAME_ALIGNMENT
}
