/**
 * Tells what follows the last frame of a segment, if no later frame confirms that it was durable: preallocated zeros,
 * the stale bytes of a recycled file, or the rest of an unfinished write.
 */
import { FRAME_ALIGNMENT, frameEnd } from '../format/frame.ts'
import { isTrailer, TRAILER_BYTES } from '../format/recycling-trailer.ts'
import { FrameSearch } from './frame-search.ts'
import type { LogFile } from './log-file.ts'
import { contentEnd } from './scan.ts'

const CHUNK_BYTES = 512 * 1024

/** The bytes from the end of the last frame to the end of the file. */
export interface Rest {
  /** The end of what an unfinished write left; the position where the rest begins if it left nothing. */
  readonly tornEnd: number
  /** Whether the bytes after that are stale. Otherwise they are zeros, or there are none. */
  readonly isStale: boolean
}

/** A part of a file, and the salt of the segment in it. */
interface RestRange {
  /** The end of the last frame. */
  readonly from: number
  /** The end of the file. */
  readonly to: number
  readonly salt: number
}

/**
 * The rest of a segment's file. In a recycled file, only a frame of this segment shows what an unfinished write left;
 * without one, nothing distinguishes it from stale bytes.
 */
export async function restOf(handle: Pick<LogFile, 'read'>, range: RestRange): Promise<Rest> {
  const { from, to } = range
  const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, Math.max(to - from, 0)))
  for (let end = to; end > from;) {
    const start = Math.max(end - chunk.length, from)
    const bytes = chunk.subarray(0, await handle.read(chunk.subarray(0, end - start), start))
    if (end === to && isTrailer(bytes.subarray(-TRAILER_BYTES), to - TRAILER_BYTES))
      return restOfRecycled(handle, range)
    const found = contentEnd(bytes)
    if (found > 0) return { tornEnd: Math.min(start + found, to), isStale: false }
    end = start
  }
  return { tornEnd: from, isStale: false }
}

async function restOfRecycled(handle: Pick<LogFile, 'read'>, { from, to, salt }: RestRange): Promise<Rest> {
  const search = FrameSearch.forFrames(handle, { to, salt })
  let tornEnd = from
  for (
    let found = await search.first(from);
    found !== null;
    found = await search.first(found.position + FRAME_ALIGNMENT)
  ) {
    tornEnd = Math.max(tornEnd, Math.min(frameEnd(found), to))
  }
  return { tornEnd, isStale: tornEnd < to }
}
