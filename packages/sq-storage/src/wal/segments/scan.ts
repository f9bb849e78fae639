/**
 * Walks the frames of an open segment file and checks everything that can be checked about each. Recovery, the reader
 * and the listing stand on it. It never writes. It never allocates more than the file is long, nor more than 64 MiB for
 * a frame whose checksum it has not compared yet: a sparse file may be long and hold nothing. A frame with the right
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
 * Bytes read first: what lies between two entries of an index, and a commit of that size. Then at a time: enough to cost
 * more than the call.
 */
const FIRST_CHUNK_BYTES = 128 * 1024
const CHUNK_BYTES = 512 * 1024
/** Longer frames are read in pieces first, to compare their checksum. More than any frame takes by default. */
const LARGE_FRAME_BYTES = 64 * 1024 * 1024

/** To tell zeros by, many at a time. */
const ZEROS: Buffer = Buffer.alloc(4096)

/** Why a scan ended. */
export interface ScanStop {
  readonly position: number
  /** Null at the limit: every byte was part of a frame that verified. Otherwise what is wrong at `position`. */
  readonly reason: string | null
  /** The header at `position`, where that verified and only what follows it is wrong. */
  readonly header: FrameHeader | null
}

/**
 * Goes through a segment from the end of some frame on, up to `limit`, and stops at the first thing that is not the
 * next frame.
 */
export class SegmentScanner {
  readonly #handle: Pick<LogFile, 'path' | 'read'>
  readonly #limit: number
  readonly #salt: number
  #position: number
  #nextOffset: number
  #previousCrc: number
  #sealed = false
  #stop: ScanStop | null = null
  /** Bytes of the file from `#position` on. */
  #chunk: Buffer = Buffer.alloc(0)
  #chunkBytes = FIRST_CHUNK_BYTES
  /** Bytes that are read while those before them are checked and used. */
  #ahead: { readonly position: number; readonly chunk: Promise<Buffer> } | null = null

  constructor(handle: Pick<LogFile, 'path' | 'read'>, from: FramePlace & { readonly limit: number }) {
    this.#handle = handle
    this.#limit = from.limit
    this.#salt = from.salt
    this.#position = from.position
    this.#nextOffset = from.nextOffset
    this.#previousCrc = from.previousCrc
  }

  /** Where the scan stands: behind the last frame it returned. */
  get place(): FramePlace {
    return {
      position: this.#position,
      nextOffset: this.#nextOffset,
      previousCrc: this.#previousCrc,
      salt: this.#salt,
    }
  }

  /** Why the scan ended, or null while it has not. */
  get stop(): ScanStop | null {
    return this.#stop
  }

  /**
   * Goes on at a place where a scan has stopped, or behind it, with the bytes that it has read. With `reread` the file is
   * asked again: it may have been written meanwhile.
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
   * frame of a kind this version does not know, and with the file system's error where reading fails.
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

  /** Goes on to the end of the scan, and hands over each frame on the way. Rejects as `next` does. */
  async run(take: (frame: Frame) => void): Promise<ScanStop> {
    while (this.#stop === null) for (const frame of await this.next()) take(frame)
    return this.#stop
  }

  /**
   * Takes all whole frames of the chunk. Returns the verified header of the one after them, if it is not whole, or how
   * many bytes from `#position` on that header needs; 0 where there is nothing to read.
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
      // What was found before it is returned first: the next call comes here again.
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

  /** What is wrong with a verified header as the next one of this segment, or null. */
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

  /** Stops at a frame that is too long to be read only to find that it is damaged. */
  async #checkLargeBody(header: FrameHeader): Promise<void> {
    const from = header.position + FRAME_HEADER_BYTES
    const wrong = wrongChecksum(header, await checksumOf(this.#handle, { from, to: from + header.bodyLength }))
    if (wrong !== null) this.#stopAt(wrong, header)
  }

  /** Gets a new chunk from `#position` on, with `needed` bytes or more. */
  async #fill(needed: number): Promise<void> {
    const ahead = this.#ahead
    this.#ahead = null
    this.#chunk = ahead?.position === this.#position ? await ahead.chunk : Buffer.alloc(0)
    if (this.#chunk.length < needed) this.#chunk = await this.#read(this.#position, needed)
    if (this.#chunk.length < needed)
      this.#stopAt(`the file ends at ${this.#position + this.#chunk.length}, inside a frame`)
    // Who comes a second time will come again.
    if (this.#chunkBytes === CHUNK_BYTES) this.#readAhead()
    this.#chunkBytes = CHUNK_BYTES
  }

  /** As many frames of the needed length as make a chunk, and one header: so that of frames alike nothing is read twice. */
  async #read(position: number, needed: number): Promise<Buffer> {
    const length = Math.max(1, Math.floor(this.#chunkBytes / needed)) * needed + FRAME_HEADER_BYTES
    const chunk = Buffer.allocUnsafe(Math.min(length, this.#limit - position))
    return withoutZeros(chunk.subarray(0, await this.#handle.read(chunk, position)), needed)
  }

  /** Begins to read what comes behind the last whole frame of the chunk: as its headers say, which are not checked yet. */
  #readAhead(): void {
    let at = 0
    let length = 0
    for (; at + FRAME_HEADER_BYTES <= this.#chunk.length; at += length) {
      length = frameLengthHint(this.#chunk, at)
      if (at + length > this.#chunk.length) break
    }
    const position = this.#position + at
    const needed = at + FRAME_HEADER_BYTES <= this.#chunk.length ? length : FRAME_HEADER_BYTES
    if (at === 0 || needed > LARGE_FRAME_BYTES || position + needed > this.#limit) return
    const chunk = this.#read(position, needed)
    // Whoever needs it hears of its failure.
    chunk.catch(() => {})
    this.#ahead = { position, chunk }
  }
}

/**
 * A chunk without the zeros it ends with, but with so many bytes at least; in a buffer of its own, where that is small:
 * records are views on it, and whoever keeps one, read at the end of a log, keeps it all.
 */
function withoutZeros(chunk: Buffer, atLeast: number): Buffer {
  const end = Math.min(Math.max(roundUp(contentEnd(chunk)), atLeast), chunk.length)
  return end <= chunk.length / 2 ? Buffer.from(chunk.subarray(0, end)) : chunk.subarray(0, end)
}

/** Checks body and padding; returns what is wrong with them, or the frame. */
function wholeFrame(header: FrameHeader, bytes: Buffer): Frame | string {
  const bodyEnd = FRAME_HEADER_BYTES + header.bodyLength
  const body = bytes.subarray(FRAME_HEADER_BYTES, bodyEnd)
  // The zeros of a MARK only keep it apart from what follows: nothing is lost with them.
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

/**
 * Where the zeros begin that a file's bytes in `[from, to)` end with, from the end of the last 8 bytes on in which there
 * is something else; `from`, where there is nothing else.
 */
export async function endOfContent(
  handle: Pick<LogFile, 'read'>,
  { from, to }: { from: number; to: number },
): Promise<number> {
  const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, Math.max(to - from, 0)))
  for (let end = to; end > from;) {
    const start = Math.max(end - chunk.length, from)
    const bytesRead = await handle.read(chunk.subarray(0, end - start), start)
    const found = contentEnd(chunk.subarray(0, bytesRead))
    if (found > 0) return Math.min(roundUp(start + found), to)
    end = start
  }
  return from
}

/** Where the zeros begin that bytes end with. */
function contentEnd(bytes: Buffer): number {
  let end = bytes.length
  while (end >= ZEROS.length && bytes.compare(ZEROS, 0, ZEROS.length, end - ZEROS.length, end) === 0)
    end -= ZEROS.length
  while (end > 0 && bytes[end - 1] === 0) end--
  return end
}

/** Frames end at multiples of 8, often with zeros. */
function roundUp(position: number): number {
  return Math.ceil(position / FRAME_ALIGNMENT) * FRAME_ALIGNMENT
}

function hex(crc: number): string {
  return `0x${crc.toString(16).padStart(8, '0')}`
}
