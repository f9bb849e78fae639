/**
 * Checks every byte of one segment file, and continues after damage. `verify.ts` combines the findings of all segments.
 * It only reads, and holds one chunk or frame at a time.
 */
import { holdsBatch } from '../format/batch-body.ts'
import {
  Attribute,
  checksum,
  FRAME_ALIGNMENT,
  frameEnd,
  FrameType,
  MAX_POSITION,
  nextOffsetAfter,
  placeAfter,
} from '../format/frame.ts'
import type { Frame, FrameHeader, FramePlace } from '../format/frame.ts'
import { encodeSealBody, SummaryBuilder } from '../format/seal.ts'
import { MAX_HEAD_BYTES } from '../segment.ts'
import { wrongBody } from '../segments/damage.ts'
import { FrameSearch } from '../segments/frame-search.ts'
import { restOf } from '../segments/rest.ts'
import { SegmentScanner } from '../segments/scan.ts'
import type { ScanStop } from '../segments/scan.ts'
import { openSegment, placeAfterHead } from '../segments/segment-file.ts'
import type { OpenSegment } from '../segments/segment-file.ts'
import { offsetsOf } from '../segments/segment-listing.ts'
import type { ListedSegment } from '../segments/segment-listing.ts'
import { summarize } from '../segments/summary.ts'
import { expectedEnd } from './expected-end.ts'
import type { ExpectedEnd, SegmentTask } from './expected-end.ts'
import { restoreAfterHeader, restoreHeader } from './frame-restoration.ts'
import type { Restoration } from './frame-restoration.ts'
import { asProblem, FoundProblems, MAX_FINDINGS } from './report.ts'
import type { FoundProblem, LogNote, NoteKind, ProblemKind } from './report.ts'

/** The findings of a segment file. */
export interface SegmentFindings {
  readonly segment: ListedSegment
  /** The offset after its last record. */
  readonly nextOffset: number
  /** The number of readable records, without those that are deleted. */
  readonly records: number
  /** The number of bytes that verified. */
  readonly bytes: number
  readonly problems: readonly FoundProblem[]
  readonly notes: readonly LogNote[]
}

/**
 * Checks a segment. Rejects with `WalIoError`, except for a read that fails with `EIO`: that is a problem of the
 * segment.
 */
export async function checkSegment(task: SegmentTask): Promise<SegmentFindings> {
  const { fs, partition, segment } = task
  let opened: OpenSegment
  try {
    opened = await openSegment(fs, segment, { partition, mode: 'read' })
  } catch (error) {
    const offsets = offsetsOf(segment)
    const problem = asProblem(error, { path: segment.path, from: 0, to: MAX_HEAD_BYTES, ...offsets })
    return unreadable(segment, problem)
  }
  try {
    const end = await expectedEnd(opened, task).catch((error: unknown) => {
      return asProblem(error, { path: segment.path, from: 0, to: MAX_POSITION, ...offsetsOf(segment) })
    })
    return await ('kind' in end ? unreadable(segment, end) : new SegmentCheck(opened, task, end).run())
  } finally {
    await opened.handle.close()
  }
}

/** The findings of a segment of which nothing was read. */
function unreadable(segment: ListedSegment, problem: Pick<FoundProblem, 'kind' | 'damage'>): SegmentFindings {
  const found = { ...problem, recordsBefore: 0, restoration: null }
  return { segment, nextOffset: segment.baseOffset, records: 0, bytes: 0, problems: [found], notes: [] }
}

/** The number of records of a frame that are deleted. An opaque batch is there whole as long as an offset of it is. */
function deletedOf(header: FrameHeader, start: number): number {
  const { attributes, baseOffset, recordCount } = header
  if ((attributes & Attribute.OPAQUE) !== 0) return nextOffsetAfter(header) <= start ? recordCount : 0
  return Math.min(Math.max(start - baseOffset, 0), recordCount)
}

class SegmentCheck {
  readonly #opened: OpenSegment
  readonly #segment: ListedSegment
  readonly #start: number
  readonly #end: ExpectedEnd
  readonly #summary = new SummaryBuilder()
  readonly #scanner: SegmentScanner
  readonly #frames: FrameSearch
  readonly #confirmations: FrameSearch
  readonly #problems = new FoundProblems()
  readonly #notes: LogNote[] = []
  #place: FramePlace
  #lastFrame: FrameHeader
  #bytes: number
  /** The number of readable records that are deleted. */
  #deletedRecords = 0
  /** Whether the walk reached the limit with a frame that verified. */
  #isWhole = false
  /**
   * Bytes before this position were read after a writer had written something after them, so they no longer change.
   */
  #settledTo = 0

  constructor(opened: OpenSegment, { segment, start }: SegmentTask, end: ExpectedEnd) {
    this.#opened = opened
    this.#segment = segment
    this.#start = start
    this.#end = end
    this.#place = placeAfterHead(opened.head)
    this.#lastFrame = opened.head.frame
    this.#bytes = opened.head.bytes.length
    const { handle } = opened
    const range = { to: this.#limit, salt: this.#place.salt }
    this.#scanner = new SegmentScanner(handle, { ...this.#place, limit: this.#limit })
    this.#frames = FrameSearch.forFrames(handle, range)
    this.#confirmations = FrameSearch.forConfirmations(handle, range)
  }

  get #path(): string {
    return this.#opened.head.path
  }

  /** The end of what is read. Never past the end of the file, because it bounds what is allocated. */
  get #limit(): number {
    return Math.min(this.#end.end, this.#end.fileBytes)
  }

  async run(): Promise<SegmentFindings> {
    while (await this.#walk());
    await this.#compareWithSuccessor()
    return {
      segment: this.#segment,
      nextOffset: this.#place.nextOffset,
      records: this.#records,
      bytes: this.#bytes,
      problems: this.#problems.all,
      notes: this.#notes,
    }
  }

  /** Walks from frame to frame, up to damage and past it. False at the end. */
  async #walk(): Promise<boolean> {
    const { ceiling } = this.#end
    const scanner = this.#scanner
    try {
      while (scanner.stop === null) {
        for (const frame of await scanner.next()) {
          const { type, baseOffset } = frame.header
          if (type === FrameType.RECORDS && baseOffset >= ceiling) return await this.#stopBefore(frame)
          this.#take(frame)
        }
      }
      return await this.#passStop(scanner.stop)
    } catch (error) {
      return this.#endAt(error)
    }
  }

  #take(frame: Frame): void {
    const { header, body } = frame
    if (header.type === FrameType.RECORDS) this.#takeRecords(frame)
    if (header.type === FrameType.MARK && checksum(body) !== header.bodyCrc) this.#noteMark(header)
    if (header.type === FrameType.SEAL) this.#checkSummary(frame)
    this.#advance(header)
    this.#bytes += frame.bytes.length
  }

  #advance(header: FrameHeader): void {
    this.#place = placeAfter(header, this.#place.salt)
    this.#lastFrame = header
  }

  #takeRecords(frame: Frame): void {
    const { header, body } = frame
    if (!holdsBatch(body, header)) {
      const range = { from: header.position, to: frameEnd(header), lastOffset: nextOffsetAfter(header) - 1 }
      this.#report('records', { ...range, reason: wrongBody(header) })
      return
    }
    summarize(frame, { summary: this.#summary, head: this.#opened.head })
    this.#deletedRecords += deletedOf(header, this.#start)
  }

  get #records(): number {
    return this.#summary.records - this.#deletedRecords
  }

  /** The summary in a SEAL can be compared only if every record before it was read. */
  #checkSummary({ header, body }: Frame): void {
    if (this.#summary.records !== header.baseOffset - this.#segment.baseOffset) return
    if (encodeSealBody(this.#summary, header.position).equals(body)) return
    const range = { from: header.position, to: frameEnd(header), lastOffset: header.baseOffset - 1 }
    const reason = 'the SEAL verifies, but its times or its index do not match the records'
    this.#report('summary', { ...range, reason })
  }

  /** A frame of records that do not belong to this segment, or are not durable yet, ends the walk. */
  async #stopBefore({ header }: Frame): Promise<false> {
    if (this.#end.link === null) await this.#noteIgnoredTail(header.position)
    else this.#isWhole = true
    return false
  }

  /**
   * Interprets bytes that are not the next frame. Returns whether to continue; false at the end of the segment.
   */
  async #passStop({ reason, header }: ScanStop): Promise<boolean> {
    const { position, nextOffset, salt } = this.#place
    const { end, link, mustReach, ceiling, fileBytes } = this.#end
    this.#isWhole = reason === null && fileBytes >= end
    if (this.#isWhole && (link !== null || mustReach === null || nextOffset >= mustReach)) return false
    if (link === null && nextOffset >= ceiling) {
      await this.#noteIgnoredTail(position)
      return false
    }
    if (mustReach === null && (await this.#confirmations.first(position)) === null) {
      const to = await this.#tornEnd(position)
      if (to > position) this.#note('torn', { from: position, to }, `the rest of an unfinished write: ${reason ?? ''}`)
      return false
    }
    // The bytes may have been written after they were read and before the frame that confirms them was. Read them again
    // before they count as damage.
    if (mustReach === null && position >= this.#settledTo && this.#lastFrame.type !== FrameType.SEAL) {
      this.#settledTo = Math.max(this.#confirmations.seenTo, position + 1)
      this.#scanner.continueAt(this.#place, { reread: true })
      return true
    }
    if (header !== null && frameEnd(header) <= this.#limit) {
      await this.#passBody(header, reason ?? '')
      return true
    }
    const found = await this.#frames.first(position + FRAME_ALIGNMENT)
    const kind = found === null && (fileBytes < end || reason === null) ? 'short' : 'frame'
    const nextGood = found === null ? mustReach : Number.isSafeInteger(found.baseOffset) ? found.baseOffset : null
    const stated = link === null ? '' : `, and the segment ends at ${link.end}`
    this.#report(kind, {
      from: position,
      to: found?.position ?? Math.max(end, position),
      lastOffset: nextGood === null ? null : nextGood - 1,
      reason: `${reason ?? `the file has ${fileBytes} bytes, but more was durable`}${stated}`,
      restoration: this.#problems.isFull ? null : await this.#headerBefore(found),
    })
    if (found === null) return false
    this.#place = { position: found.position, nextOffset: found.baseOffset, previousCrc: found.previousCrc, salt }
    this.#scanner.continueAt(this.#place, { reread: false })
    return true
  }

  /** Continues after a frame with a good header and damage after it. */
  async #passBody(header: FrameHeader, reason: string): Promise<void> {
    const { handle } = this.#opened
    const range = { from: header.position, to: frameEnd(header), lastOffset: nextOffsetAfter(header) - 1 }
    const restoration = this.#problems.isFull ? null : await restoreAfterHeader(handle, header, this.#summary)
    this.#report(header.type === FrameType.SEAL ? 'seal' : 'frame', { ...range, reason, restoration })
    this.#advance(header)
    this.#scanner.continueAt(this.#place, { reread: false })
  }

  /** The damaged header after the frames so far, if the bytes after it determine what it was. */
  async #headerBefore(found: FrameHeader | null): Promise<Restoration | null> {
    const { link, ceiling, fileBytes } = this.#end
    // Nothing may follow a SEAL.
    if (this.#lastFrame.type === FrameType.SEAL) return null
    const after =
      found !== null
        ? { end: found.position, nextOffset: found.baseOffset, headerCrc: found.previousCrc }
        : link !== null && link.end <= fileBytes && { end: link.end, nextOffset: ceiling, headerCrc: link.lastCrc }
    if (after === false) return null
    const frame = { ...after, place: this.#place, previousDurablePosition: this.#lastFrame.durablePosition }
    return restoreHeader(this.#opened.handle, frame)
  }

  /** Reports what ends the walk: bytes that cannot be read, or a frame of an unknown kind. */
  #endAt(error: unknown): false {
    const { end, mustReach } = this.#end
    const { position, nextOffset } = this.#place
    this.#isWhole = false
    const place = { path: this.#path, from: position, to: end, firstOffset: BigInt(nextOffset), lastOffset: null }
    const { kind, damage } = asProblem(error, place)
    const lastOffset = mustReach === null ? null : mustReach - 1
    this.#report(kind, { from: position, to: end, lastOffset, reason: damage.reason })
    return false
  }

  async #compareWithSuccessor(): Promise<void> {
    const { link, ceiling, problem, fileBytes } = this.#end
    if (problem !== null) {
      const damage = { ...problem.damage, firstOffset: BigInt(Math.min(this.#place.nextOffset, ceiling)) }
      this.#problems.add({ ...problem, damage, recordsBefore: this.#records })
    }
    if (link === null) return
    await this.#noteIgnoredTail(Math.min(link.end, fileBytes))
    const { position, headerCrc } = this.#lastFrame
    const agrees = position === link.lastPosition && headerCrc === link.lastCrc && this.#place.nextOffset === ceiling
    if (!this.#isWhole || agrees) return
    const found = `its last frame, at ${position}, ends before offset ${this.#place.nextOffset}`
    const reason = `${found}; its successor states one at ${link.lastPosition} that ends before ${ceiling}`
    this.#report('link', { from: link.lastPosition, to: link.end, lastOffset: ceiling - 1, reason })
  }

  async #noteIgnoredTail(from: number): Promise<void> {
    if (this.#segment.successor === null || from >= this.#end.fileBytes) return
    const to = await this.#tornEnd(from)
    if (to === from) return
    this.#note('ignored-tail', { from, to }, 'left by a failed write or a truncation after the end of the segment')
  }

  /** The end of the file without preallocated and stale bytes. */
  async #tornEnd(from: number): Promise<number> {
    const to = this.#end.fileBytes
    // Bytes after the largest position are not read.
    if (to > MAX_POSITION) return to
    return (await restOf(this.#opened.handle, { from, to, salt: this.#place.salt })).tornEnd
  }

  /** If there are too many, the last note covers all that follow. */
  #noteMark(header: FrameHeader): void {
    const [from, to] = [header.position, frameEnd(header)]
    const last = this.#notes.at(-1)
    if (last === undefined || this.#notes.length < MAX_FINDINGS) {
      this.#note('mark', { from, to }, 'the body of a MARK is not all zeros')
    } else {
      const text = 'the bodies of several MARKs are not all zeros'
      this.#notes[this.#notes.length - 1] = { ...last, to, text }
    }
  }

  #note(kind: NoteKind, { from, to }: { from: number; to: number }, text: string): void {
    this.#notes.push({ kind, path: this.#path, from, to, text, files: 1 })
  }

  /** Reports damage from the next offset on. A `lastOffset` before it means that no record is affected. */
  #report(
    kind: ProblemKind,
    found: { from: number; to: number; lastOffset: number | null; reason: string; restoration?: Restoration | null },
  ): void {
    const { from, to, lastOffset, reason, restoration = null } = found
    const { nextOffset } = this.#place
    const damage = {
      path: this.#path,
      from,
      to,
      firstOffset: BigInt(nextOffset),
      lastOffset: lastOffset === null ? null : BigInt(Math.max(lastOffset, nextOffset - 1)),
      reason,
    }
    this.#problems.add({ kind, damage, recordsBefore: this.#records, restoration })
  }
}
