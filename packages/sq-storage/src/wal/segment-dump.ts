/**
 * Shows what stands in a segment file, frame by frame, for people who look at one: also what does not verify, and what
 * comes behind it. It believes nothing but the file, so it judges less than `verify.ts`.
 */
import type { FileHandle, FileSystem } from '@sq/sim'
import { UnsupportedFormatError } from '../errors.ts'
import {
  checksum,
  decodeFrameHeader,
  FRAME_ALIGNMENT,
  FRAME_HEADER_BYTES,
  frameEnd,
  FrameType,
} from './frame.ts'
import type { Frame, FrameHeader, FramePlace } from './frame.ts'
import { decodeOpenBody, MAX_HEAD_BYTES } from './open-frame.ts'
import type { OpenBody } from './open-frame.ts'
import { decodeRecords } from './record.ts'
import type { LogRecord } from './record.ts'
import { endOfContent, findFrame, SegmentScanner } from './scan.ts'
import { decodeSealBody } from './seal.ts'
import type { SegmentSummary } from './seal.ts'
import { giveUp, io } from './segment-file.ts'
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES } from './segment.ts'
import type { SegmentHeader } from './segment.ts'

/** A part of a segment file. `[from, to)` are byte positions. */
interface DumpedPart {
  readonly from: number
  readonly to: number
  readonly bytes: Buffer
}

/** A frame that verifies, and what its body says. */
interface DumpedFrame extends DumpedPart {
  readonly header: FrameHeader
}

/**
 * What stands at `[from, to)` of a segment file, with its bytes: the segment header, a frame that verifies and what its
 * body says, or bytes that do not verify.
 */
export type SegmentPart =
  | (DumpedPart & { readonly kind: 'segment-header'; readonly segment: SegmentHeader })
  | (DumpedFrame & { readonly kind: 'open'; readonly open: OpenBody })
  /** `records` is null where the body is not made of them. */
  | (DumpedFrame & { readonly kind: 'records'; readonly records: readonly LogRecord[] | null })
  | (DumpedFrame & { readonly kind: 'mark' })
  /** `summary` is null where the body is none. */
  | (DumpedFrame & { readonly kind: 'seal'; readonly summary: SegmentSummary | null })
  /** Zeros up to the file's end: written ahead, for commits to come; or what was left of them. `bytes` is empty. */
  | (DumpedPart & { readonly kind: 'zeros' })
  /** What does not verify, or does not belong here, and why; `bytes` are the first of it, up to 64 KiB. */
  | (DumpedPart & { readonly kind: 'bad'; readonly reason: string })

const MAX_BAD_BYTES = 64 * 1024

/**
 * The parts of a segment file from its first byte to its last, in order and without a gap. Opens nothing for writing. The
 * file may be a segment that a repair kept, or a copy of one. Throws `WalIoError`.
 */
export async function* dumpSegment(fs: FileSystem, path: string): AsyncGenerator<SegmentPart, void, undefined> {
  const handle = await io('open', path, () => fs.open(path, 'read'))
  try {
    yield* new SegmentDump(handle, path, await io('read the size of', path, () => handle.size())).parts()
  } finally {
    await giveUp(handle)
  }
}

class SegmentDump {
  readonly #handle: FileHandle
  readonly #path: string
  readonly #size: number
  /** Where something looked bad that a writer may have been writing just then. */
  #doubted = -1

  constructor(handle: FileHandle, path: string, size: number) {
    this.#handle = handle
    this.#path = path
    this.#size = size
  }

  async *parts(): AsyncGenerator<SegmentPart, void, undefined> {
    const start = await this.#read(0, MAX_HEAD_BYTES)
    const segment = decodeSegmentHeader(start)
    if (segment === null) {
      yield* this.#bad(0, this.#size, 'it does not begin with a segment header')
      return
    }
    const at = SEGMENT_HEADER_BYTES
    const bytes = start.subarray(0, at)
    yield { kind: 'segment-header', from: 0, to: at, bytes, segment }
    const open = openFrame(start, checksum(bytes))
    if (open === null) {
      yield* this.#bad(at, this.#size, 'no OPEN verifies here, and without it no frame can be told')
      return
    }
    yield open
    const salt = open.header.headerCrc
    let place: FramePlace = { position: open.to, nextOffset: open.header.baseOffset, previousCrc: salt, salt }
    while (place.position < this.#size) place = yield* this.#walk(place)
  }

  /** Frames, and then what stops them. Returns where to go on. */
  async *#walk(from: FramePlace): AsyncGenerator<SegmentPart, FramePlace, undefined> {
    const scanner = new SegmentScanner(this.#handle, { ...from, path: this.#path, limit: this.#size })
    let reason: string | null = null
    let isSealed = false
    try {
      while (scanner.stop === null) {
        for (const frame of await io('read', this.#path, () => scanner.next())) {
          isSealed = frame.header.type === FrameType.SEAL
          yield dumped(frame)
        }
      }
      ;({ reason } = scanner.stop)
    } catch (error) {
      if (!(error instanceof UnsupportedFormatError)) throw error
      reason = `unsupported: ${error.message}`
    }
    const { place } = scanner
    if (reason === null) return place
    const { position } = place
    const range = { from: position + FRAME_ALIGNMENT, to: this.#size, salt: from.salt }
    const next = await io('read', this.#path, () => findFrame(this.#handle, range))
    if (next === null) {
      yield* this.#end(position, reason)
      return { ...place, position: this.#size }
    }
    // It may have been written since it was read, as what comes behind it was.
    if (this.#doubted !== position && !isSealed) {
      this.#doubted = position
      return place
    }
    yield* this.#bad(position, next.position, reason)
    return { position: next.position, nextOffset: next.baseOffset, previousCrc: next.previousCrc, salt: from.salt }
  }

  /** What stands behind the last frame. */
  async *#end(from: number, reason: string): AsyncGenerator<SegmentPart, void, undefined> {
    const to = await io('read', this.#path, () => endOfContent(this.#handle, { from, to: this.#size }))
    yield* this.#bad(from, to, reason)
    if (to < this.#size) yield { kind: 'zeros', from: to, to: this.#size, bytes: Buffer.alloc(0) }
  }

  async *#bad(from: number, to: number, reason: string): AsyncGenerator<SegmentPart, void, undefined> {
    const bytes = await this.#read(from, Math.min(to - from, MAX_BAD_BYTES))
    if (to > from) yield { kind: 'bad', from, to, bytes, reason }
  }

  async #read(position: number, length: number): Promise<Buffer> {
    const bytes = Buffer.alloc(length)
    return bytes.subarray(0, await io('read', this.#path, () => this.#handle.read(bytes, position)))
  }
}

function openFrame(start: Buffer, salt: number): (SegmentPart & { kind: 'open' }) | null {
  const from = SEGMENT_HEADER_BYTES
  const header = decodeFrameHeader(start, { at: from, position: from, salt })
  if (header === null || header.type !== FrameType.OPEN) return null
  const body = start.subarray(from + FRAME_HEADER_BYTES, from + FRAME_HEADER_BYTES + header.bodyLength)
  const open = checksum(body) === header.bodyCrc ? decodeOpenBody(body) : null
  const to = frameEnd(header)
  return open && { kind: 'open', from, to, bytes: start.subarray(from, to), header, open }
}

function dumped({ header, body, bytes }: Frame): SegmentPart {
  const part = { from: header.position, to: frameEnd(header), bytes, header }
  if (header.type === FrameType.RECORDS) return { kind: 'records', ...part, records: decodeRecords(body, header) }
  if (header.type === FrameType.SEAL) return { kind: 'seal', ...part, summary: decodeSealBody(body, header.position) }
  return { kind: 'mark', ...part }
}
