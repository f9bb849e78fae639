/**
 * Walks the RECORDS frames of a whole log, across its segments, beside a writer that may be at work. The reader stands
 * on it; `scan.ts` walks a single segment.
 */
import type { FileSystem } from '@sq/sim'
import { CorruptLogError, DivergedError, OffsetOutOfRangeError } from '../errors.ts'
import { knownDamage, provenDamage } from './damage.ts'
import { checksum, frameEnd, FrameType, nextOffsetAfter } from './frame.ts'
import type { Frame, FrameHeader, FramePlace } from './frame.ts'
import type { SegmentLink } from './open-frame.ts'
import type { Partition } from './partition.ts'
import type { FrameOrigin, LocatedFrame } from './recent-frames.ts'
import { sliceRecords } from './record.ts'
import { SegmentScanner } from './scan.ts'
import { io, isMissing, listSegmentFiles, MAX_LISTINGS, placeAfterHead, readHead } from './segment-file.ts'
import type { ListedSegment, SegmentHead } from './segment-file.ts'
import type { Indexed } from './segment-index.ts'
import type { HeldSegment } from './shared-files.ts'
import type { SharedLog } from './shared-log.ts'

/** A log, and who else knows of it. */
export interface CursorContext {
  readonly fs: FileSystem
  readonly partition: Partition
  readonly shared: Pick<SharedLog, 'durableBound' | 'files' | 'indexes'>
}

/** A segment that is being read. */
interface Reading {
  readonly segment: ListedSegment
  readonly opened: HeldSegment
  readonly scanner: SegmentScanner
  /** Where its bytes end, as far as is known by now. */
  readonly limit: number
  /** The offset to stop before: what was durable when the limit was read. */
  readonly bound: number
}

/** How far a segment was read: where to go on, and what to compare with what is found there. */
interface Reached {
  readonly baseOffset: number
  /** What its OPEN states of the segment before; null also where that was not read. */
  readonly previous: SegmentLink | null
  readonly place: FramePlace
  /** The place behind its last records: what follows them, a MARK or a SEAL, may have become void. */
  readonly recordsEnd: FramePlace
}

export class LogCursor {
  readonly #context: CursorContext
  /** The next offset that is wanted; null for the log's first. */
  #next: number | null
  /** The segments, as long as the one being read is not the last of them. */
  #listed: readonly ListedSegment[] = []
  #reading: Reading | null = null
  #reached: Reached | null = null
  /** The segments that were read from; by them the place is found where another log began. */
  readonly #visited: { readonly baseOffset: number; readonly salt: number }[] = []
  /** What looked like damage once: the bytes may have been written between the reading of them and of their proof. */
  #suspect: CorruptLogError | null = null

  constructor(context: CursorContext, from: number | null) {
    this.#context = context
    this.#next = from
  }

  /** The next offset; null as long as nothing is known of a log that is read from its first. */
  get nextOffset(): number | null {
    return this.#next
  }

  /**
   * The next frames that hold wanted offsets, in order, each verified; none at the end of what is there. It may be
   * asked again then. Throws as `WalReader.read` does. A file is open between two calls, but not after one that gave nothing.
   */
  async next(): Promise<readonly LocatedFrame[]> {
    // What was opened by an earlier call ends where the file ended then: behind it there may be more by now.
    let isFromBefore = this.#reading !== null
    for (;;) {
      const { shared } = this.#context
      // Asked before the directory is listed: what is durable by now is in the segments that are listed.
      const bound = shared.durableBound
      if (this.#next !== null && this.#next >= bound) {
        await this.close()
        if (this.#next > bound) throw await this.#beyond(bound)
        return []
      }
      this.#reading ??= await this.#enter(bound)
      if (this.#reading === null) return []
      const reading = this.#reading
      const frames = await this.#read(reading)
      if (frames.length > 0) return frames
      if (this.#reading === null && !isFromBefore && (await this.#isOver(reading))) return []
      isFromBefore = false
    }
  }

  /** Whether a file is open. */
  get isReading(): boolean {
    return this.#reading !== null
  }

  /** Whether a frame is the one after the last that was read, of the same segment. */
  isFollowedBy({ segment, frame }: LocatedFrame): boolean {
    const place = this.#reached?.place
    return place?.salt === segment.salt && place.previousCrc === frame.header.previousCrc
  }

  /** Goes on behind frames that were read elsewhere, the first of which follows the last. Not while reading. */
  skip(located: readonly LocatedFrame[]): void {
    this.#listed = []
    for (const [at, { segment, frame }] of located.entries()) {
      // The last of a segment says what the others do.
      if (located[at + 1]?.segment.salt !== segment.salt) this.#advance(segment, frame.header)
    }
  }

  /** Gives up the open file. */
  async close(): Promise<void> {
    const reading = this.#reading
    if (reading === null) return
    this.#reading = null
    // Behind the last segment there may be another one by now.
    if (reading.segment.nextBaseOffset === null) this.#listed = []
    await reading.opened.release()
  }

  /** Opens the segment that holds the next offset; null where the log has no segment. */
  async #enter(bound: number): Promise<Reading | null> {
    for (let listings = 1; ; listings++) {
      // The last of those that were listed before may have a successor by now, which says where it ends.
      if (this.#listedFor(this.#listed[0]?.baseOffset ?? 0)?.nextBaseOffset === null) this.#listed = []
      const isListedNow = this.#listed.length === 0
      const segment = await this.#segmentAt(bound)
      if (segment === null) return null
      try {
        return await this.#open(segment, { bound, isListedNow })
      } catch (error) {
        // What was deleted or replaced since it was listed may also look like damage: a new listing tells.
        const isStale = isMissing(error) || (listings === 1 && isAboutSegments(error))
        if (!isStale || listings === MAX_LISTINGS) throw error
        this.#listed = []
      }
    }
  }

  /** What is to be read next, not all of which may be to be returned: a truncation may have cut a commit. */
  get #wanted(): number | null {
    return this.#visited.length > 0 ? (this.#reached?.place.nextOffset ?? null) : this.#next
  }

  /** The segment of those listed that holds what is to be read next. */
  #listedFor(firstOffset: number): ListedSegment | undefined {
    const wanted = this.#wanted ?? firstOffset
    return this.#listed.findLast(({ baseOffset }) => baseOffset <= wanted)
  }

  async #segmentAt(bound: number): Promise<ListedSegment | null> {
    const { fs, partition } = this.#context
    if (this.#listed.length === 0) this.#listed = await listSegmentFiles(fs, partition.directory)
    const firstOffset = this.#listed[0]?.baseOffset ?? 0
    const wanted = this.#wanted ?? firstOffset
    const segment = this.#listedFor(firstOffset)
    if (segment !== undefined) return segment
    if (wanted < firstOffset && this.#next !== null && this.#next >= firstOffset) {
      // Of the commit that was cut, what was returned is deleted: nothing is left to compare with.
      this.#reached = null
      this.#visited.length = 0
      return this.#segmentAt(bound)
    }
    if (this.#listed.length === 0 && wanted < bound && bound !== Infinity) throw missing(partition, { wanted, bound })
    if (this.#listed.length === 0 && wanted === 0) return null
    throw this.#outOfRange(firstOffset, bound === Infinity ? (this.#listed.at(-1)?.baseOffset ?? 0) : bound)
  }

  async #open(
    segment: ListedSegment,
    { bound, isListedNow }: { bound: number; isListedNow: boolean },
  ): Promise<Reading> {
    const { fs, partition, shared } = this.#context
    const { path } = segment
    const successor = this.#listed[this.#listed.indexOf(segment) + 1]
    const headOf = (listed: ListedSegment) => shared.files.head(fs, listed, partition)
    const opened = await shared.files.hold(fs, segment, partition)
    try {
      const stated = successor && (await shared.indexes.endOf(opened, { successor, headOf, isListedNow }))
      const limit = stated?.limit ?? (await io('read the size of', path, () => opened.handle.size()))
      // A writer may have been opened meanwhile: not all of its commits up to the limit need be durable.
      const boundNow = bound === Infinity ? shared.durableBound : bound
      const start = await this.#startIn({ segment: opened, last: stated?.last ?? null, limit })
      this.#next ??= segment.baseOffset
      const { previous } = opened.head.open
      this.#reached = { baseOffset: segment.baseOffset, previous, place: start, recordsEnd: start }
      const scanner = new SegmentScanner(opened.handle, { ...start, path, limit })
      return { segment, opened, scanner, limit, bound: boundNow }
    } catch (error) {
      await opened.release()
      throw error
    }
  }

  /** Where to begin in a segment: where it was left, or, where it was not read before, close before the next offset. */
  async #startIn(indexed: Indexed): Promise<FramePlace> {
    const { head } = indexed.segment
    const reached = this.#reached
    if (reached !== null && this.#visited.length > 0 && !(await this.#goesOn(reached, head))) throw await this.#divergence()
    if (reached !== null && reached.place.salt === head.frame.headerCrc) {
      // What follows the records is looked at again: nothing may stand behind a SEAL, and it may have become void.
      if (reached.recordsEnd.position <= indexed.limit) return reached.recordsEnd
      if (indexed.last !== null) throw await this.#divergence()
      throw shortened(head, { reached: reached.place, limit: indexed.limit })
    }
    const next = this.#next ?? head.baseOffset
    return next === head.baseOffset ? placeAfterHead(head) : this.#context.shared.indexes.start(indexed, next)
  }

  /** Whether a segment goes on where reading had come to. */
  async #goesOn({ baseOffset, previous, place, recordsEnd }: Reached, head: SegmentHead): Promise<boolean> {
    if (head.frame.headerCrc === place.salt) return true
    if (head.baseOffset !== place.nextOffset) return false
    const before = head.open.previous
    // In place of one that held no record: made when the first write to that one failed.
    if (head.baseOffset === baseOffset) return before?.lastCrc === previous?.lastCrc
    if (before?.baseOffset !== baseOffset || before.end < recordsEnd.position) return false
    const known = [place, recordsEnd].find(({ position }) => position === before.end)
    if (known !== undefined) return known.previousCrc === before.lastCrc
    // It ends behind what was read of it: with what else, if it is the same.
    const { fs, partition } = this.#context
    const segment = this.#listed.find((listed) => listed.baseOffset === baseOffset)
    return segment === undefined || (await readHead(fs, segment, partition)).frame.headerCrc === place.salt
  }

  async #read(reading: Reading): Promise<readonly LocatedFrame[]> {
    const { opened, scanner, bound } = reading
    const { path, baseOffset, frame: openFrame } = opened.head
    const segment = { path, baseOffset, salt: openFrame.headerCrc }
    while (scanner.stop === null) {
      const found: LocatedFrame[] = []
      for (const frame of await io('read', path, () => scanner.next())) {
        const { header } = frame
        const isWanted = header.type === FrameType.RECORDS && nextOffsetAfter(header) > (this.#next ?? 0)
        if (header.baseOffset >= bound || nextOffsetAfter(header) > bound) {
          // The bound lies inside a commit only while a truncation is at work there.
          if (isWanted && header.baseOffset < bound) {
            found.push({ segment, frame: partOf(frame, { from: header.baseOffset, to: bound }) })
            this.#next = bound
          }
          await this.close()
          break
        }
        this.#advance(segment, header)
        if (isWanted) found.push({ segment, frame })
      }
      if (found.length > 0 || this.#reading === null) return found
    }
    await this.#leave(reading)
    return []
  }

  #advance({ baseOffset, salt }: FrameOrigin, header: FrameHeader): void {
    const nextOffset = nextOffsetAfter(header)
    const place = { position: frameEnd(header), nextOffset, previousCrc: header.headerCrc, salt }
    const before = this.#reached?.place.salt === salt ? this.#reached : null
    const recordsEnd = header.type === FrameType.RECORDS ? place : (before?.recordsEnd ?? place)
    this.#reached = { baseOffset, previous: before?.previous ?? null, place, recordsEnd }
    if (header.type !== FrameType.RECORDS || nextOffset <= (this.#next ?? 0)) return
    this.#next = nextOffset
    if (this.#visited.at(-1)?.salt !== salt) this.#visited.push({ baseOffset, salt })
  }

  /** At the end of a segment, or of what can be read of it: is it as far as it must go? */
  async #leave({ segment, opened, scanner, limit, bound }: Reading): Promise<void> {
    const nextOffset = this.#reached?.place.nextOffset ?? segment.baseOffset
    const firstOffset = this.#listed[0]?.baseOffset ?? segment.baseOffset
    try {
      const { stop } = scanner
      // What the successor, or the writer in this process, says there must be.
      const known = Math.min(bound, segment.nextBaseOffset ?? Infinity)
      const here = stop !== null && nextOffset < known ? { stop, nextOffset, limit } : null
      const proven = here === null || here.stop.reason === null ? null : await provenDamage(opened, here)
      const damage = proven ?? (here === null || known === Infinity ? null : knownDamage(segment.path, here, known - 1))
      if (damage !== null && this.#suspect?.from === damage.from && this.#suspect.path === damage.path) throw damage
      this.#suspect = damage
    } finally {
      await this.close()
    }
    if (this.#suspect === null && this.#next !== null && this.#next > nextOffset) {
      throw this.#outOfRange(firstOffset, nextOffset)
    }
    // What looks like damage is looked for once more.
    if (this.#suspect !== null) this.#listed = []
  }

  /** Whether a segment that was read to its end is still the last: behind it the writer may have gone on meanwhile. */
  async #isOver({ segment, bound }: Reading): Promise<boolean> {
    if (segment.nextBaseOffset !== null || bound !== Infinity || this.#suspect !== null) return false
    const listed = await listSegmentFiles(this.#context.fs, this.#context.partition.directory)
    const isLast = listed.at(-1)?.baseOffset === segment.baseOffset
    this.#listed = isLast ? [] : listed
    return isLast
  }

  /** What it means that the wanted offset lies behind everything that is durable. */
  async #beyond(bound: number): Promise<OffsetOutOfRangeError | DivergedError> {
    if (this.#visited.length > 0) return this.#divergence()
    this.#listed = await listSegmentFiles(this.#context.fs, this.#context.partition.directory)
    return this.#outOfRange(this.#listed[0]?.baseOffset ?? 0, bound)
  }

  #outOfRange(firstOffset: number, nextOffset: number): OffsetOutOfRangeError {
    return new OffsetOutOfRangeError({
      path: this.#context.partition.directory,
      offset: BigInt(this.#next ?? 0),
      firstOffset: BigInt(firstOffset),
      nextOffset: BigInt(nextOffset),
    })
  }

  /** Finds from where on the log is another one than that which was read. */
  async #divergence(): Promise<DivergedError> {
    const { fs, partition } = this.#context
    const listed = await listSegmentFiles(fs, partition.directory)
    let offset = this.#next ?? 0
    for (const { baseOffset, salt } of this.#visited.toReversed()) {
      const at = listed.findIndex((segment) => segment.baseOffset === baseOffset)
      const segment = listed[at]
      if (segment !== undefined && (await readHead(fs, segment, partition)).frame.headerCrc === salt) {
        offset = Math.min(offset, listed[at + 1]?.baseOffset ?? offset)
        break
      }
      offset = baseOffset
    }
    return new DivergedError({ path: partition.directory, offset: BigInt(offset) })
  }
}

/** A commit as if it held only those of its records that have offsets from one to before another. */
export function partOf({ header, body, bytes }: Frame, { from, to }: { from: number; to: number }): Frame {
  const { baseOffset } = header
  const part = sliceRecords(body, from - baseOffset, to - baseOffset)
  const changed = { baseOffset: from, recordCount: to - from, bodyLength: part.length, bodyCrc: checksum(part) }
  return { header: { ...header, ...changed }, body: part, bytes }
}

/** Whether an error says that segments are not, or do not go together, as they should. */
function isAboutSegments(error: unknown): boolean {
  return error instanceof CorruptLogError || error instanceof DivergedError
}

/** The damage where a file is shorter than what was read of it. */
function shortened(head: SegmentHead, { reached, limit }: { reached: FramePlace; limit: number }): CorruptLogError {
  return new CorruptLogError({
    path: head.path,
    from: limit,
    to: reached.position,
    firstOffset: BigInt(head.baseOffset),
    lastOffset: BigInt(reached.nextOffset - 1),
    reason: `the file ends at ${limit}, after it was read up to ${reached.position}`,
  })
}

/** The damage where a writer in this process has segments with records, and none is there. */
function missing(
  { directory }: Partition,
  { wanted, bound }: { wanted: number; bound: number },
): CorruptLogError {
  return new CorruptLogError({
    path: directory,
    from: 0,
    to: 0,
    firstOffset: BigInt(wanted),
    lastOffset: BigInt(bound - 1),
    reason: 'it holds no segment, but its writer wrote some',
  })
}
