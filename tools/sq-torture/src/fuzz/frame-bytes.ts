/**
 * Segment files as bytes with checksums: finds frames, and corrects the checksums of changed ones. It follows the
 * documentation of the format, without the code under test.
 */
import { crc32 } from 'node:zlib'

/** OPEN is the first frame, directly after the segment header. */
export const OPEN_POSITION = 32
export const FRAME_HEADER_BYTES = 40
/** The position of the segment's salt, which is the `headerCrc` of OPEN. */
const SALT_POSITION = OPEN_POSITION + 36

/** The positions of the fields in a frame header. `baseOffset` has 8 bytes, `type` and `attributes` have one. */
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

/** The fields in the body of OPEN that state the end of the previous segment. */
const LINK = { end: 24, lastPosition: 28, lastCrc: 32 } as const

/** The frames whose position field is correct, whether they verify or not. */
export function framePositions(file: Buffer): number[] {
  const positions: number[] = []
  for (let at = OPEN_POSITION; at + FRAME_HEADER_BYTES <= file.length; at += 8) {
    if (file[at] === 0x46 && file[at + 1] === 0x52 && file.readUInt32LE(at + FIELD.position) === at) positions.push(at)
  }
  return positions
}

/** The end of a frame, limited to the file. */
export function frameEnd(file: Buffer, position: number): number {
  const bodyLength = file.readUInt32LE(position + FIELD.bodyLength)
  return Math.min(position + FRAME_HEADER_BYTES + Math.ceil(bodyLength / 8) * 8, file.length)
}

/** The salt of the segment, if the file is long enough. */
export function saltOf(file: Buffer): number | null {
  return file.length < SALT_POSITION + 4 ? null : file.readUInt32LE(SALT_POSITION)
}

/** Corrects the checksum of a frame's body, limited to the file. */
export function resealBody(file: Buffer, position: number): void {
  const start = position + FRAME_HEADER_BYTES
  const end = Math.min(start + file.readUInt32LE(position + FIELD.bodyLength), file.length)
  file.writeUInt32LE(crc32(file.subarray(start, end)), position + FIELD.bodyCrc)
}

/** Corrects the checksum of a frame's header. For OPEN this gives a new salt, with which no other frame verifies. */
export function resealHeader(file: Buffer, position: number): void {
  const isOpen = position === OPEN_POSITION
  const seed = isOpen ? crc32(file.subarray(0, OPEN_POSITION)) : (saltOf(file) ?? 0)
  const crc = crc32(file.subarray(position, position + FIELD.headerCrc), seed)
  file.writeUInt32LE(crc, position + FIELD.headerCrc)
}

/** Corrects the header checksums of all these frames, each as the successor of the previous one. */
export function resealChain(file: Buffer, positions: readonly number[]): void {
  let previousCrc = crc32(file.subarray(0, OPEN_POSITION))
  for (const position of positions) {
    file.writeUInt32LE(previousCrc, position + FIELD.previousCrc)
    resealHeader(file, position)
    previousCrc = file.readUInt32LE(position + FIELD.headerCrc)
  }
}

/** Makes a segment state the current end of its predecessor, if it stated one that exists. */
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
