/**
 * Segment files as bytes with checksums, by the format's documentation and without the code that is tested: where
 * frames begin, and how those that were changed are made to verify again.
 */
import { crc32 } from 'node:zlib'

/** OPEN is the first frame, right behind the segment header. */
export const OPEN_POSITION = 32
export const FRAME_HEADER_BYTES = 40
/** Where a segment's name for its own frames, the `headerCrc` of OPEN, stands. */
const SALT_POSITION = OPEN_POSITION + 36

/** The fields of a frame header by their place in it; `baseOffset` has 8 bytes, `type` and `attributes` one. */
export const FIELD = {
  type: 2,
  attributes: 3,
  bodyLength: 4,
  baseOffset: 8,
  recordCount: 16,
  position: 20,
  durablePosition: 24,
  previousCrc: 28,
  bodyCrc: 32,
  headerCrc: 36,
} as const

/** The fields in the body of OPEN that state the end of the segment before. */
const LINK = { end: 24, lastPosition: 28, lastCrc: 32 } as const

/** The frames that say they stand where they do, whether they verify or not. */
export function framePositions(file: Buffer): number[] {
  const positions: number[] = []
  for (let at = OPEN_POSITION; at + FRAME_HEADER_BYTES <= file.length; at += 8) {
    if (file[at] === 0x46 && file[at + 1] === 0x52 && file.readUInt32LE(at + FIELD.position) === at) positions.push(at)
  }
  return positions
}

/** Where a frame ends, as far as the file goes. */
export function frameEnd(file: Buffer, position: number): number {
  const bodyLength = file.readUInt32LE(position + FIELD.bodyLength)
  return Math.min(position + FRAME_HEADER_BYTES + Math.ceil(bodyLength / 8) * 8, file.length)
}

/** The segment's salt, of a file that is long enough to have one. */
export function saltOf(file: Buffer): number | null {
  return file.length < SALT_POSITION + 4 ? null : file.readUInt32LE(SALT_POSITION)
}

/** Makes the body of a frame verify, as far as it is there. */
export function resealBody(file: Buffer, position: number): void {
  const start = position + FRAME_HEADER_BYTES
  const end = Math.min(start + file.readUInt32LE(position + FIELD.bodyLength), file.length)
  file.writeUInt32LE(crc32(file.subarray(start, end)), position + FIELD.bodyCrc)
}

/** Makes the header of a frame verify; OPEN's with a new salt, in which no other frame verifies any more. */
export function resealHeader(file: Buffer, position: number): void {
  const isOpen = position === OPEN_POSITION
  const seed = isOpen ? crc32(file.subarray(0, OPEN_POSITION)) : (saltOf(file) ?? 0)
  const crc = crc32(file.subarray(position, position + FIELD.headerCrc), seed)
  file.writeUInt32LE(crc, position + FIELD.headerCrc)
}

/** Makes the headers of all these frames verify, each as the successor of the one before it. */
export function resealChain(file: Buffer, positions: readonly number[]): void {
  let previousCrc = crc32(file.subarray(0, OPEN_POSITION))
  for (const position of positions) {
    file.writeUInt32LE(previousCrc, position + FIELD.previousCrc)
    resealHeader(file, position)
    previousCrc = file.readUInt32LE(position + FIELD.headerCrc)
  }
}

/** Makes a segment state the end of the one before it as it is now, where it stated one that is there. */
export function relink(before: Buffer, file: Buffer): void {
  const link = OPEN_POSITION + FRAME_HEADER_BYTES
  if (file.length < link + LINK.lastCrc + 4) return
  const lastPosition = file.readUInt32LE(link + LINK.lastPosition)
  if (lastPosition + FRAME_HEADER_BYTES > before.length) return
  file.writeUInt32LE(frameEnd(before, lastPosition), link + LINK.end)
  file.writeUInt32LE(before.readUInt32LE(lastPosition + FIELD.headerCrc), link + LINK.lastCrc)
  resealBody(file, OPEN_POSITION)
  resealChain(file, framePositions(file))
}
