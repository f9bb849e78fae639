/**
 * Searches a segment for frame headers at any position, after bytes that are not the next frame. `scan.ts` walks from
 * frame to frame.
 */
import type { FileHandle } from '@sq/sim'
import { decodeFrameHeader, FRAME_ALIGNMENT, FRAME_HEADER_BYTES, MARKER } from '../format/frame.ts'
import type { FrameHeader } from '../format/frame.ts'

const WINDOW_BYTES = 512 * 1024
/** The first byte of every frame. */
const MARKER_BYTE = MARKER & 0xff

/** The search range of a segment: up to `to`, for frames with this salt. */
export interface SearchRange {
  readonly to: number
  readonly salt: number
}

/**
 * Whether a verified header answers a search from this position. Once it does not, it never does for a later position.
 */
type Accept = (header: FrameHeader, from: number) => boolean

/**
 * A search that is called repeatedly, from positions that never decrease. However often it is called, each byte is read
 * and each header checked once, and once more before it answers that there is none. It holds one window of 512 KiB.
 */
export class FrameSearch {
  readonly #handle: Pick<FileHandle, 'read'>
  readonly #range: SearchRange
  readonly #accept: Accept
  #window: Buffer | null = null
  /** The verified headers of the window, and how many of them the search has passed. */
  #headers: FrameHeader[] = []
  #passed = 0
  /** The position of the first byte that was not read. */
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

  /** Finds a frame header that confirms that more than `of` was durable; the position searched from if not given. */
  static forConfirmations(handle: Pick<FileHandle, 'read'>, range: SearchRange, of?: number): FrameSearch {
    return new FrameSearch(handle, range, ({ durablePosition }, from) => durablePosition > (of ?? from))
  }

  /**
   * The position of the last header that was read. A writer had finished everything before it, so bytes read before it
   * from now on no longer change.
   */
  get seenTo(): number {
    return this.#seenTo
  }

  /** The first header at or after `from`, a multiple of 8; null if there is none. */
  async first(from: number): Promise<FrameHeader | null> {
    const readBefore = this.#unread
    const found = await this.#next(from)
    if (found !== null || readBefore <= from) return found
    // A writer may have written since an earlier call read this range.
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

  /** Reads the next window and collects its headers. False at the end. */
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
 * Searches `[from, to)` of a segment for a frame header that confirms that more than `of` was durable; `of` is `from` if
 * not given. Null if there is none: then, as far as these bytes can tell, what begins at `of` was never acknowledged.
 */
export function findConfirmation(
  handle: Pick<FileHandle, 'read'>,
  { from, of = from, ...range }: SearchRange & { from: number; of?: number },
): Promise<FrameHeader | null> {
  return FrameSearch.forConfirmations(handle, range, of).first(from)
}

/** The next index, from a multiple of 8 on, where a frame may begin; the end of the window if there is none. */
function nextMarker(window: Buffer, from: number): number {
  for (let at = window.indexOf(MARKER_BYTE, from); at !== -1; at = window.indexOf(MARKER_BYTE, roundUp(at))) {
    if (at % FRAME_ALIGNMENT === 0) return at
  }
  return window.length
}

function roundUp(position: number): number {
  return Math.ceil(position / FRAME_ALIGNMENT) * FRAME_ALIGNMENT
}
