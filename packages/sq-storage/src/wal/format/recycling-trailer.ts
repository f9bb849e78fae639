/**
 * The last bytes of a recycled file: a file that held another segment before, and still has bytes of it after the last
 * frame of the segment that it holds now. Those bytes are stale. No checksum of a frame there verifies, because the
 * salt is a different one; the trailer says that they are not the rest of an unfinished write either.
 *
 * ```
 *  0            8          12         16
 *  +------------+----------+----------+
 *  | "SQSTALE\n"| position | checksum |
 *  +------------+----------+----------+
 * ```
 *
 * `position` is the place of the trailer in its file, so that a copy that was cut has none. The checksum is that of the
 * bytes before it.
 */
import { checksum } from './frame.ts'

export const TRAILER_BYTES = 16
const MAGIC = 'SQSTALE\n'
const AT = { magic: 0, position: 8, checksum: 12 } as const

/** The trailer that stands at a position. */
export function encodeTrailer(position: number): Buffer {
  const bytes = Buffer.alloc(TRAILER_BYTES)
  bytes.write(MAGIC, AT.magic, 'latin1')
  bytes.writeUInt32LE(position, AT.position)
  bytes.writeUInt32LE(checksum(bytes.subarray(0, AT.checksum)), AT.checksum)
  return bytes
}

/** Whether bytes are the trailer that stands at a position. */
export function isTrailer(bytes: Buffer, position: number): boolean {
  return bytes.equals(encodeTrailer(position))
}
