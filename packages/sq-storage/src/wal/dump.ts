/**
 * Shows the contents of a segment file, frame by frame, for people: including bytes that do not verify and what follows
 * them. It relies on the file alone, so it decides less than `verify.ts`.
 */
import type { FileSystem } from '@sq/sim'
import { resolvePath } from '../config.ts'
import { UnsupportedFormatError } from '../errors.ts'
import { contentOf } from './format/batch-body.ts'
import type { OpaqueContent } from './format/batch-body.ts'
import { FRAME_ALIGNMENT, frameEnd, FrameType, MAX_POSITION } from './format/frame.ts'
import type { Frame, FrameHeader, FramePlace } from './format/frame.ts'
import { eachRecord, holdsRecords } from './format/record.ts'
import type { LogRecord } from './format/record.ts'
import { decodeSealBody } from './format/seal.ts'
import type { SegmentSummary } from './format/seal.ts'
import { decodeSegmentHead, decodeSegmentHeader, MAX_HEAD_BYTES, SEGMENT_HEADER_BYTES } from './segment.ts'
import type { OpenBody, SegmentHeader } from './segment.ts'
import { FrameSearch } from './segments/frame-search.ts'
import { LogFile } from './segments/log-file.ts'
import { restOf } from './segments/rest.ts'
import { SegmentScanner } from './segments/scan.ts'

/** A part of a segment file. `[from, to)` are byte positions. */
export interface DumpedPart {
  readonly from: number
  readonly to: number
  readonly bytes: Buffer
}

/** A frame that verifies. */
export interface DumpedFrame extends DumpedPart {
  readonly header: FrameHeader
}

/**
 * One part of a segment file with its bytes: the segment header, a frame that verifies, with its decoded body, or bytes
 * that do not verify.
 */
export type SegmentPart =
  | (DumpedPart & { readonly kind: 'segment-header'; readonly segment: SegmentHeader })
  | (DumpedFrame & { readonly kind: 'open'; readonly open: OpenBody })
  /**
   * `records` decodes one record at a time, again for each iteration. It is null if the batch is opaque, and `opaque`
   * holds it instead; both are null if the body is not what the header states. `metadata` is null if there is none.
   */
  | (DumpedFrame & {
      readonly kind: 'records'
      readonly metadata: Buffer | null
      readonly records: Iterable<LogRecord> | null
      readonly opaque: OpaqueContent | null
    })
  | (DumpedFrame & { readonly kind: 'mark' })
  /** `summary` is null if the body is not a summary. */
  | (DumpedFrame & { readonly kind: 'seal'; readonly summary: SegmentSummary | null })
  /** Zeros up to the end of the file: preallocation, or what is left of it. `bytes` is empty. */
  | (DumpedPart & { readonly kind: 'preallocated' })
  /**
   * Bytes up to the end of a recycled file that were left by the segment that the file held before. `bytes` is empty.
   */
  | (DumpedPart & { readonly kind: 'stale' })
  /** Bytes that do not verify or do not belong here, and why. `bytes` holds the first 64 KiB of them. */
  | (DumpedPart & { readonly kind: 'bad'; readonly reason: string })

const MAX_BAD_BYTES = 64 * 1024

/**
 * The parts of a segment file, from its first byte to its last, in order and without gaps. The file may be a
 * quarantined segment or a copy. Bytes after the last position that a segment can have, 2^32 - 1, are one bad part and
 * are not read. It opens nothing for writing, and holds one frame at a time, and 1 MiB. Throws `WalIoError`.
 *
 * @example
 * ```ts
 * for await (const { kind } of dumpSegment(fs, './data/orders/0/00000000000000000000.wal')) {
 *   console.log(kind) // segment-header, open, records, mark, mark
 * }
 * ```
 */
export function dumpSegment(fs: FileSystem, path: string): AsyncGenerator<SegmentPart, void, undefined> {
  return dump(fs, resolvePath(path))
}

async function* dump(fs: FileSystem, path: string): AsyncGenerator<SegmentPart, void, undefined> {
  const handle = await LogFile.open(fs, path, 'read')
  try {
    yield* new SegmentDump(handle, await handle.size()).parts()
  } finally {
    await handle.close()
  }
}

class SegmentDump {
  readonly #handle: LogFile
  readonly #size: number
  /** The last position at which a segment can end. */
  readonly #limit: number
  /**
   * Bytes before this position were read after a writer had written something after them, so they no longer change.
   */
  #settledTo = 0

  constructor(handle: LogFile, size: number) {
    this.#handle = handle
    this.#size = size
    this.#limit = Math.min(size, MAX_POSITION)
  }

  async *parts(): AsyncGenerator<SegmentPart, void, undefined> {
    const start = await this.#read(0, MAX_HEAD_BYTES)
    const segment = decodeSegmentHeader(start)
    if (segment === null) {
      yield* this.#bad(0, this.#size, 'it does not begin with a segment header')
      return
    }
    const at = SEGMENT_HEADER_BYTES
    yield { kind: 'segment-header', from: 0, to: at, bytes: start.subarray(0, at), segment }
    const head = decodeSegmentHead(start)
    if ('kind' in head) {
      const reason = head.kind === 'unsupported' ? `unsupported: ${head.reason}` : head.reason
      yield* this.#bad(at, this.#size, `${reason}; without OPEN no frame can be verified`)
      return
    }
    const { frame, open } = head
    const to = frameEnd(frame)
    yield { kind: 'open', from: at, to, bytes: start.subarray(at, to), header: frame, open }
    const salt = frame.headerCrc
    yield* this.#frames({ position: to, nextOffset: frame.baseOffset, previousCrc: salt, salt })
    yield* this.#bad(this.#limit, this.#size, 'these bytes are after the last position that a segment can have')
  }

  /** Frames, and the bytes between and after them. */
  async *#frames(from: FramePlace): AsyncGenerator<SegmentPart, void, undefined> {
    const scanner = new SegmentScanner(this.#handle, { ...from, limit: this.#limit })
    const search = FrameSearch.forFrames(this.#handle, { to: this.#limit, salt: from.salt })
    for (;;) {
      const { reason, isSealed } = yield* this.#walk(scanner)
      if (reason === null) return
      const { place } = scanner
      const { position } = place
      const next = await search.first(position + FRAME_ALIGNMENT)
      if (next === null) {
        yield* this.#end(place, reason)
        return
      }
      // The frame here may have been written after it was read, like the one that follows it. Read again.
      if (position >= this.#settledTo && !isSealed) {
        this.#settledTo = search.seenTo
        scanner.continueAt(place, { reread: true })
        continue
      }
      yield* this.#bad(position, next.position, reason)
      const { baseOffset: nextOffset, previousCrc } = next
      scanner.continueAt({ ...place, position: next.position, nextOffset, previousCrc }, { reread: false })
    }
  }

  /** Whole frames, up to what stops the scan; `reason` is null at the end of the file. */
  async *#walk(scanner: SegmentScanner): AsyncGenerator<SegmentPart, { reason: string | null; isSealed: boolean }> {
    let isSealed = false
    try {
      while (scanner.stop === null) {
        for (const frame of await scanner.next()) {
          isSealed = frame.header.type === FrameType.SEAL
          yield dumped(frame)
        }
      }
      return { reason: scanner.stop.reason, isSealed }
    } catch (error) {
      if (!(error instanceof UnsupportedFormatError)) throw error
      return { reason: `unsupported: ${error.message}`, isSealed }
    }
  }

  /** What follows the last frame. */
  async *#end({ position, salt }: FramePlace, reason: string): AsyncGenerator<SegmentPart, void, undefined> {
    const { tornEnd: from, isStale } = await restOf(this.#handle, { from: position, to: this.#limit, salt })
    yield* this.#bad(position, from, reason)
    const kind = isStale ? 'stale' : 'preallocated'
    if (from < this.#limit) yield { kind, from, to: this.#limit, bytes: Buffer.alloc(0) }
  }

  async *#bad(from: number, to: number, reason: string): AsyncGenerator<SegmentPart, void, undefined> {
    if (to <= from) return
    const bytes = await this.#read(from, Math.min(to - from, MAX_BAD_BYTES))
    yield { kind: 'bad', from, to, bytes, reason }
  }

  async #read(position: number, length: number): Promise<Buffer> {
    const bytes = Buffer.alloc(length)
    return bytes.subarray(0, await this.#handle.read(bytes, position))
  }
}

function dumped({ header, body, bytes }: Frame): SegmentPart {
  const part = { from: header.position, to: frameEnd(header), bytes, header }
  if (header.type === FrameType.RECORDS) {
    const content = contentOf(body, header.attributes)
    if (content === null) return { kind: 'records', ...part, metadata: null, records: null, opaque: null }
    const { metadata, records, opaque } = content
    const isWhole = records !== null && holdsRecords(records, header)
    return { kind: 'records', ...part, metadata, records: isWhole ? eachRecord(records, header) : null, opaque }
  }
  if (header.type === FrameType.SEAL) return { kind: 'seal', ...part, summary: decodeSealBody(body, header.position) }
  return { kind: 'mark', ...part }
}
