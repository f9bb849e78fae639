/**
 * The checksum of a range of a file, read in pieces, because the range may be too long or too untrustworthy to hold in
 * memory.
 */
import type { FileHandle } from '@sq/sim'
import { checksum } from '../format/frame.ts'

const PIECE_BYTES = 256 * 1024

/** CRC-32 of the bytes of a file in `[from, to)`, or of those that exist. */
export async function checksumOf(
  handle: Pick<FileHandle, 'read'>,
  { from, to }: { from: number; to: number },
): Promise<number> {
  const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, to - from))
  let crc = 0
  for (let at = from; at < to; at += piece.length) {
    const bytesRead = await handle.read(piece.subarray(0, Math.min(piece.length, to - at)), at)
    crc = checksum(piece.subarray(0, bytesRead), crc)
  }
  return crc
}
