/**
 * Walks the frames of an open segment file and checks everything that can be checked about each. Recovery, readers and
 * the listing use it. It never writes. It allocates at most the length of the file, and at most 64 MiB for a frame
 * whose checksum it has not compared yet, because a sparse file may be long and hold nothing. A frame with the right
 * checksum takes what the format allows, 1 GiB and 88 bytes.
 */
import { UnsupportedFormatError } from '../../errors.ts'
import {
  checksum,
  decodeFrameHeader,
  FRAME_ALIGNMENT,
  FRAME_HEADER_BYTES,
  frameEnd,
  frameLengthHint,
  FrameType,
  nextOffsetAfter,
  unknownInFrame,
} from '../format/frame.ts'
import type { Frame, FrameHeader, FramePlace } from '../format/frame.ts'
import { checksumOf } from './file-checksum.ts'
import type { LogFile } from './log-file.ts'

/**
 * The first read covers the distance between two index entries and a commit of that size. Later reads are large enough
 * to cost more than the system call.
 */
const FIRST_CHUNK_BYTES = 128 * 1024
const CHUNK_BYTES = 512 * 1024
/** A caller that wants little more still gets this much: smaller reads cost no less. */
const LEAST_CHUNK_BYTES = 16 * 1024
/** Longer frames are first read in pieces to compare their checksum. With default options no frame is that long. */
const LARGE_FRAME_BYTES = 64 * 1024 * 1024

const NOTHING: Buffer = Buffer.alloc(0)
/** For comparing many zeros at a time. */
const ZEROS: Buffer = Buffer.alloc(4096)

/** Why a scan ended. */
export interface ScanStop {
  readonly position: number
  /** Null at the limit: every byte was part of a frame that verified. Otherwise what is wrong at `position`. */
  readonly reason: string | null
  /** The header at `position`, if it verified and only what follows it is wrong. */
  readonly header: FrameHeader | null
}

/** Walks a segment from the end of a frame up to `limit`, and stops at the first bytes that are not the next frame. */
export class SegmentScanner {
  readonly #handle: Pick<LogFile, 'path' | 'read'>
  readonly #limit: number
  readonly #salt: number
  readonly #wanted: () => number
  #position: number
  #nextOffset: number
  #previousCrc: number
  #sealed = false
  #stop: ScanStop | null = null
  /** The bytes of the file from `#position` on. */
  #chunk: Buffer = Buffer.alloc(0)
  #chunkBytes = FIRST_CHUNK_BYTES
  /** Bytes being read ahead while the chunk before them is checked and used. */
  #ahead: { readonly position: number; readonly chunk: Promise<Buffer> } | null = null

  /** `wanted` is the number of bytes that the caller still wants. Reads are not much larger than that. */
  constructor(
    handle: Pick<LogFile, 'path' | 'read'>,
    from: FramePlace & { readonly limit: number },
    wanted: () => number = () => Infinity,
  ) {
    this.#handle = handle
    this.#wanted = wanted
    this.#limit = from.limit
    this.#salt = from.salt
    this.#position = from.position
    this.#nextOffset = from.nextOffset
    this.#previousCrc = from.previousCrc
  }

  /** The place after the last frame that was returned. */
  get place(): FramePlace {
    return {
      position: this.#position,
      nextOffset: this.#nextOffset,
      previousCrc: this.#previousCrc,
      salt: this.#salt,
    }
  }

  /** Why the scan ended; null before that. */
  get stop(): ScanStop | null {
    return this.#stop
  }

  /** The header of the next frame if it was read with the frames before it and verifies; null otherwise. */
  get nextHeader(): FrameHeader | null {
    if (this.#chunk.length < FRAME_HEADER_BYTES) return null
    return decodeFrameHeader(this.#chunk, { at: 0, position: this.#position, salt: this.#salt })
  }

  /**
   * Continues at a place where a scan has stopped, or after it, with the bytes that were already read. With `reread`
   * the file is read again, because it may have been written in the meantime.
   */
  continueAt({ position, nextOffset, previousCrc }: FramePlace, { reread }: { reread: boolean }): void {
    this.#chunk = reread ? Buffer.alloc(0) : this.#chunk.subarray(position - this.#position)
    if (reread) this.#ahead = null
    this.#position = position
    this.#nextOffset = nextOffset
    this.#previousCrc = previousCrc
    this.#sealed = false
    this.#stop = null
  }

  /**
   * The next frames, at least one; none once the scan has ended. Rejects with `UnsupportedFormatError` for a whole
   * frame of an unknown kind, and with the error of the file system if a read fails.
   */
  async next(): Promise<Frame[]> {
    const frames: Frame[] = []
    while (this.#stop === null && frames.length === 0) {
      const missing = this.#takeFrames(frames)
      if (missing === 0 || frames.length > 0) continue
      const needed = typeof missing === 'number' ? missing : frameEnd(missing) - missing.position
      if (typeof missing !== 'number' && needed > LARGE_FRAME_BYTES) await this.#checkLargeBody(missing)
      if (this.#stop === null) await this.#fill(needed)
    }
    return frames
  }

  /** Scans to the end, and passes each frame to the callback. Rejects as `next` does. */
  async run(take: (frame: Frame) => void): Promise<ScanStop> {
    while (this.#stop === null) for (const frame of await this.next()) take(frame)
    return this.#stop
  }

  /**
   * Takes all whole frames of the chunk. If the next frame is not whole, returns its verified header, or the number of
   * bytes from `#position` on that its header needs. Returns 0 if there is nothing to read.
   */
  #takeFrames(frames: Frame[]): FrameHeader | number {
    for (;;) {
      const left = this.#limit - this.#position
      if (left === 0) return this.#stopAt(null)
      if (this.#sealed) return this.#stopAt(`nothing follows a SEAL, but ${left} bytes do`)
      if (left < FRAME_HEADER_BYTES)
        return this.#stopAt(`a frame header takes ${FRAME_HEADER_BYTES} bytes, ${left} are left`)
      if (this.#chunk.length < FRAME_HEADER_BYTES) return FRAME_HEADER_BYTES
      const header = decodeFrameHeader(this.#chunk, { at: 0, position: this.#position, salt: this.#salt })
      if (header === null) return this.#stopAt('no frame header of this segment verifies here')
      const unknown = unknownInFrame(header)
      // The frames before it are returned first. The next call comes here again.
      if (unknown !== null && frames.length > 0) return 0
      if (unknown !== null)
        throw new UnsupportedFormatError({ path: this.#handle.path, position: this.#position, found: unknown })
      const misplaced = this.#misplaced(header)
      if (misplaced !== null) return this.#stopAt(misplaced)
      const length = frameEnd(header) - this.#position
      if (length > left) return this.#stopAt(`the frame takes ${length} bytes, ${left} are left`, header)
      if (length > this.#chunk.length) return header
      const frame = wholeFrame(header, this.#chunk.subarray(0, length))
      if (typeof frame === 'string') return this.#stopAt(frame, header)
      frames.push(frame)
      this.#advance(header, length)
    }
  }

  /** What is wrong with a verified header as the next one of this segment; null if nothing is. */
  #misplaced(header: FrameHeader): string | null {
    if (header.previousCrc !== this.#previousCrc) return 'the frame does not follow the one before it'
    if (header.baseOffset !== this.#nextOffset) {
      return `the frame begins at offset ${header.baseOffset}, expected ${this.#nextOffset}`
    }
    if (header.type === FrameType.OPEN) return 'a second OPEN frame'
    if ((header.type === FrameType.RECORDS) !== header.recordCount > 0) {
      return `a frame of type ${header.type} with ${header.recordCount} records`
    }
    if (header.durablePosition > header.position)
      return `durablePosition ${header.durablePosition} is past the frame itself`
    return null
  }

  #advance(header: FrameHeader, length: number): void {
    this.#chunk = this.#chunk.subarray(length)
    this.#position += length
    this.#nextOffset = nextOffsetAfter(header)
    this.#previousCrc = header.headerCrc
    this.#sealed = header.type === FrameType.SEAL
  }

  #stopAt(reason: string | null, header: FrameHeader | null = null): 0 {
    this.#stop = { position: this.#position, reason, header }
    return 0
  }

  /** Stops at a damaged frame that is too long to be read into memory just to find the damage. */
  async #checkLargeBody(header: FrameHeader): Promise<void> {
    const from = header.position + FRAME_HEADER_BYTES
    const wrong = wrongChecksum(header, await checksumOf(this.#handle, { from, to: from + header.bodyLength }))
    if (wrong !== null) this.#stopAt(wrong, header)
  }

  /** Reads a new chunk from `#position` on, with at least `needed` bytes. */
  async #fill(needed: number): Promise<void> {
    const ahead = this.#ahead
    this.#ahead = null
    if (ahead?.position === this.#position) this.#chunk = await ahead.chunk
    const wanted = this.#wanted()
    if (this.#chunk.length < needed)
      this.#chunk = await this.#read(this.#position, { needed, wanted, known: this.#chunk })
    if (this.#chunk.length < needed)
      this.#stopAt(`the file ends at ${this.#position + this.#chunk.length}, inside a frame`)
    // After a second read a third is likely.
    if (this.#chunkBytes === CHUNK_BYTES && wanted > this.#chunk.length) this.#readAhead(wanted - this.#chunk.length)
    this.#chunkBytes = CHUNK_BYTES
  }

  /**
   * Reads as many frames of the needed length as fit into a chunk, and one header more, so that nothing is read twice
   * if frames have equal lengths. The first bytes may be known.
   */
  async #read(
    position: number,
    { needed, wanted, known }: { needed: number; wanted: number; known: Buffer },
  ): Promise<Buffer> {
    const chunkBytes = Math.min(this.#chunkBytes, Math.max(wanted, LEAST_CHUNK_BYTES))
    const length = Math.max(1, Math.floor(chunkBytes / needed)) * needed + FRAME_HEADER_BYTES
    const chunk = Buffer.allocUnsafe(Math.min(length, this.#limit - position))
    known.copy(chunk)
    const bytesRead = await this.#handle.read(chunk.subarray(known.length), position + known.length)
    return withoutZeros(chunk.subarray(0, known.length + bytesRead), needed)
  }

  /** Starts reading what follows the last whole frame of the chunk, according to headers that are not checked yet. */
  #readAhead(wanted: number): void {
    let at = 0
    let length = 0
    for (; at + FRAME_HEADER_BYTES <= this.#chunk.length; at += length) {
      length = frameLengthHint(this.#chunk, at)
      if (at + length > this.#chunk.length) break
    }
    const position = this.#position + at
    const needed = at + FRAME_HEADER_BYTES <= this.#chunk.length ? length : FRAME_HEADER_BYTES
    if (at === 0 || needed > LARGE_FRAME_BYTES || position + needed > this.#limit) return
    const chunk = this.#read(position, { needed, wanted, known: NOTHING })
    // The read that needs this chunk reports the failure.
    chunk.catch(() => {})
    this.#ahead = { position, chunk }
  }
}

/**
 * A chunk without its trailing zeros, but with at least `atLeast` bytes. A small rest is copied into a buffer of its
 * own: records are views on it, and a program that keeps the last record of a log would otherwise keep the whole chunk
 * in memory.
 */
function withoutZeros(chunk: Buffer, atLeast: number): Buffer {
  const end = Math.min(Math.max(contentEnd(chunk), atLeast), chunk.length)
  return end <= chunk.length / 2 ? Buffer.from(chunk.subarray(0, end)) : chunk.subarray(0, end)
}

/** Checks body and padding. Returns the frame, or what is wrong. */
function wholeFrame(header: FrameHeader, bytes: Buffer): Frame | string {
  const bodyEnd = FRAME_HEADER_BYTES + header.bodyLength
  const body = bytes.subarray(FRAME_HEADER_BYTES, bodyEnd)
  // The body of a MARK only keeps distance to what follows, so nothing is lost if it changes.
  if (header.type === FrameType.MARK) return { header, body, bytes }
  const wrong = wrongChecksum(header, checksum(body))
  if (wrong !== null) return wrong
  for (let at = bodyEnd; at < bytes.length; at++) {
    if (bytes[at] !== 0) return `the padding at ${header.position + at} is not zero`
  }
  return { header, body, bytes }
}

function wrongChecksum(header: FrameHeader, bodyCrc: number): string | null {
  if (bodyCrc !== header.bodyCrc) return `the body's checksum is ${hex(bodyCrc)}, expected ${hex(header.bodyCrc)}`
  return null
}

/** The index where the trailing zeros of some bytes begin; rounded up to a multiple of 8, because frames end there. */
export function contentEnd(bytes: Buffer): number {
  let end = bytes.length
  while (end >= ZEROS.length && bytes.compare(ZEROS, 0, ZEROS.length, end - ZEROS.length, end) === 0)
    end -= ZEROS.length
  while (end > 0 && bytes[end - 1] === 0) end--
  return Math.ceil(end / FRAME_ALIGNMENT) * FRAME_ALIGNMENT
}

function hex(crc: number): string {
  return `0x${crc.toString(16).padStart(8, '0')}`
}
