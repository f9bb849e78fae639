/**
 * Describes an ended segment by its bytes alone, without the log around it: what it states at its beginning, and where
 * it ends. An archive of segments is checked with it.
 */
import { CorruptLogError, UnsupportedFormatError } from '../../errors.ts'
import {
  decodeFrameHeader,
  FRAME_HEADER_BYTES,
  frameEnd,
  FrameType,
  MAX_POSITION,
  nextOffsetAfter,
  placeAfter,
} from '../format/frame.ts'
import type { FrameHeader } from '../format/frame.ts'
import { sealPosition } from '../format/seal.ts'
import { decodeSegmentHead, MAX_HEAD_BYTES } from '../segment.ts'
import type { DecodedHead, SegmentLink } from '../segment.ts'
import { SegmentScanner } from './scan.ts'

/** The last bytes of a segment that are read at once: the SEAL of a segment of up to 16 MiB is among them. */
const TAIL_BYTES = 4096

/** The bytes of one segment: a file, or an object of a store. */
export interface SegmentBytes {
  /** Its name in errors. */
  readonly path: string
  /** The number of its valid bytes: `bytes` of its `SegmentInfo`. */
  readonly bytes: number
  /**
   * Fills the buffer from a position on, and resolves with the number of bytes read: fewer than the buffer holds only
   * at the end.
   */
  readonly read: (buffer: Uint8Array, position: number) => Promise<number>
}

/** What a segment states at its beginning. */
export interface SegmentStart {
  readonly topic: string
  readonly partition: number
  /** Random: it distinguishes segments that have the same name. */
  readonly segmentId: bigint
  /** When it was created, in milliseconds since 1970, by the wall clock of the process that created it. */
  readonly createdMs: number
  readonly baseOffset: bigint
  /** The end of the segment before it, also if that is no longer there; null if it begins a log. */
  readonly previous: SegmentLink | null
}

/** Both ends of a segment. */
export interface SegmentEnds extends SegmentStart {
  /** The offset after its last record. */
  readonly nextOffset: bigint
  /** Where it ends: the `previous` of the segment after it. */
  readonly link: SegmentLink
  /** Whether it ends with its SEAL. If not, it was abandoned after a failed write, or is cut. */
  readonly isSealed: boolean
}

/**
 * Reads what a segment states at its beginning: one read of 512 bytes. Rejects with `CorruptLogError`, with
 * `UnsupportedFormatError`, and with the errors of `read`.
 *
 * @example
 * ```ts
 * const [{ path, bytes }] = await listSegments(fs, config, 'orders', 0)
 * const file = await fs.open(path, 'read')
 * console.log((await readSegmentStart({ path, bytes, read: file.read.bind(file) })).previous) // null
 * await file.close()
 * ```
 */
export async function readSegmentStart(segment: SegmentBytes): Promise<SegmentStart> {
  return startOf(await readHead(segment))
}

/**
 * Reads both ends of a segment that has ended. Two or three small reads if it is sealed; all of an abandoned segment is read,
 * and its checksums are verified. Rejects as `readSegmentStart` does, and with `CorruptLogError` unless a frame ends
 * exactly at its last byte.
 *
 * @example
 * ```ts
 * const [{ path, bytes }] = await listSegments(fs, config, 'orders', 0)
 * const file = await fs.open(path, 'read')
 * console.log((await readSegmentEnds({ path, bytes, read: file.read.bind(file) })).nextOffset) // 3n
 * await file.close()
 * ```
 */
export async function readSegmentEnds(segment: SegmentBytes): Promise<SegmentEnds> {
  const head = await readHead(segment)
  const seal = await readSeal(segment, head)
  const last = seal ?? (await scanToEnd(segment, head))
  return {
    ...startOf(head),
    nextOffset: BigInt(nextOffsetAfter(last)),
    link: {
      baseOffset: head.frame.baseOffset,
      end: segment.bytes,
      lastPosition: last.position,
      lastCrc: last.headerCrc,
    },
    isSealed: seal !== null,
  }
}

function startOf({ segment, frame, open }: DecodedHead): SegmentStart {
  const { topic, segmentId, createdMs, previous } = open
  return { topic, partition: segment.partition, segmentId, createdMs, baseOffset: BigInt(frame.baseOffset), previous }
}

async function readHead({ path, bytes, read }: SegmentBytes): Promise<DecodedHead> {
  if (bytes > MAX_POSITION) {
    const found = `a segment of ${bytes} bytes; this version knows none over 2^32 - 1`
    throw new UnsupportedFormatError({ path, position: MAX_POSITION, found })
  }
  const start = Buffer.alloc(Math.min(MAX_HEAD_BYTES, bytes))
  const decoded = decodeSegmentHead(start.subarray(0, await read(start, 0)))
  if (!('kind' in decoded)) return decoded
  const { kind, from, to, reason } = decoded
  if (kind === 'unsupported') throw new UnsupportedFormatError({ path, position: from, found: reason })
  throw new CorruptLogError({ path, from: 0, to, firstOffset: 0n, lastOffset: null, reason })
}

/** The header of the SEAL that ends a segment; null if none does. */
async function readSeal({ bytes, read }: SegmentBytes, { frame }: DecodedHead): Promise<FrameHeader | null> {
  const tail = Buffer.alloc(Math.min(TAIL_BYTES, bytes - frameEnd(frame)))
  const from = bytes - tail.length
  if ((await read(tail, from)) < tail.length) return null
  const position = sealPosition(tail)
  if (position === null || position < frameEnd(frame) || position + FRAME_HEADER_BYTES > bytes) return null
  const header = position < from ? Buffer.alloc(FRAME_HEADER_BYTES) : tail.subarray(position - from)
  if (position < from) await read(header, position)
  const seal = decodeFrameHeader(header, { at: 0, position, salt: frame.headerCrc })
  return seal !== null && seal.type === FrameType.SEAL && frameEnd(seal) === bytes ? seal : null
}

/** The last frame of a segment without a SEAL. */
async function scanToEnd(segment: SegmentBytes, { frame }: DecodedHead): Promise<FrameHeader> {
  const { path, bytes } = segment
  const place = placeAfter(frame, frame.headerCrc)
  let last = frame
  const { position, reason } = await new SegmentScanner(segment, { ...place, limit: bytes }).run(({ header }) => {
    last = header
  })
  if (reason === null) return last
  const firstOffset = BigInt(nextOffsetAfter(last))
  throw new CorruptLogError({ path, from: position, to: bytes, firstOffset, lastOffset: null, reason })
}
