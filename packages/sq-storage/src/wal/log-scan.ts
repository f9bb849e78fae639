/**
 * Walks the RECORDS frames of a whole log, across its segments, beside a writer that may be at work. The reader stands
 * on it; `scan.ts` walks a single segment.
 */
import type { FileSystem } from '@sq/sim'
import { CorruptLogError, DivergedError, OffsetOutOfRangeError } from '../errors.ts'
import { knownDamage, provenDamage } from './damage.ts'
import { FrameType, nextOffsetAfter } from './frame.ts'
import type { Frame } from './frame.ts'
import type { Partition } from './partition.ts'
import { SegmentScanner } from './scan.ts'
import { io, listSegmentFiles, openSegment, placeAfterHead, readHead, verifyLink } from './segment-file.ts'
import type { ListedSegment, OpenSegment } from './segment-file.ts'

/** A frame and the file it stands in. */
export interface LocatedFrame {
  readonly path: string
  readonly frame: Frame
}

/** A log, and what of it is wanted. */
export interface LogRange {
  readonly fs: FileSystem
  readonly partition: Partition
  /** The first offset wanted; null for the log's first. */
  readonly from: number | null
  /**
   * The offset before which everything is durable, by the writer in this process; Infinity where there is none. The
   * walk stops before the first answer that is not Infinity; without one, after the last whole commit in the last file.
   */
  readonly durableBound: () => number
}

/**
 * The frames that hold the wanted offsets, in order, each verified. Throws as `WalReader.read` does.
 *
 * The walk is over when the segment it has finished is still the last.
 */
export async function* scanLog(range: LogRange): AsyncGenerator<LocatedFrame, void, undefined> {
  const { fs, partition, durableBound } = range
  let next = range.from
  let bound = Infinity
  let listed: ListedSegment[] = []
  let last: { segment: ListedSegment; whole: boolean } | null = null
  let suspect: CorruptLogError | null = null
  for (;;) {
    // Asked before the directory is listed: what is durable by now is in the segments that are listed.
    if (bound === Infinity) bound = durableBound()
    // A listing is good for all but its last segment: behind that the writer may have gone on meanwhile.
    if (last === null || last.segment.nextBaseOffset === null || !last.whole) {
      listed = await listSegmentFiles(fs, partition.directory)
    }
    const firstOffset = listed[0]?.baseOffset ?? 0
    const wanted: number = (next ??= firstOffset)
    const at = listed.findLastIndex(({ baseOffset }) => baseOffset <= wanted)
    const segment = listed[at]
    if (segment === undefined) {
      if (listed.length === 0 && wanted < bound && bound !== Infinity) throw missing(partition, { wanted, bound })
      if (listed.length === 0 && wanted === 0) return
      const nextOffset = bound === Infinity ? (listed.at(-1)?.baseOffset ?? 0) : bound
      throw outOfRange(range, { offset: wanted, firstOffset, nextOffset })
    }
    const mayBeOver = bound === Infinity && segment.nextBaseOffset === null
    if (mayBeOver && last?.whole === true && last.segment.baseOffset === segment.baseOffset) return
    if (last !== null && segment.baseOffset > last.segment.baseOffset && segment.baseOffset < wanted) {
      throw new DivergedError({ path: last.segment.path, offset: BigInt(segment.baseOffset) })
    }

    const end: SegmentEnd = yield* segmentFrames(range, { segment, successor: listed[at + 1], wanted, bound })
    if (end.damage !== null) {
      // The bytes may have been written between the reading of them and of what proves them: they get a second look.
      if (suspect?.from === end.damage.from && suspect.path === end.damage.path) throw end.damage
      suspect = end.damage
    } else {
      if (wanted > end.nextOffset) throw outOfRange(range, { offset: wanted, firstOffset, nextOffset: end.nextOffset })
      if (end.nextOffset >= bound) return
    }
    last = { segment, whole: end.damage === null }
    next = Math.max(wanted, end.nextOffset)
  }
}

/** How far a segment could be read: the offset after its last good frame, and what is damaged there, if anything is. */
interface SegmentEnd {
  readonly nextOffset: number
  readonly damage: CorruptLogError | null
}

/** A segment to be walked: what is wanted of it, and the offset to stop before. */
interface SegmentRange {
  readonly segment: ListedSegment
  readonly successor: ListedSegment | undefined
  readonly wanted: number
  readonly bound: number
}

/** The frames of one segment that hold offsets from `wanted` on, up to its end or the bound. */
async function* segmentFrames(
  { fs, partition, durableBound }: LogRange,
  { segment, successor, wanted, bound }: SegmentRange,
): AsyncGenerator<LocatedFrame, SegmentEnd, undefined> {
  const { path } = segment
  const opened = await openSegment(fs, segment, { partition, mode: 'read' })
  try {
    const stated = successor === undefined ? null : await statedEnd(fs, opened, { successor, partition })
    const limit = stated ?? (await io('read the size of', path, () => opened.handle.size()))
    // A writer may have been opened meanwhile: not all of its commits up to the limit need be durable.
    const end = bound === Infinity ? durableBound() : bound
    const scanner = new SegmentScanner(opened.handle, { ...placeAfterHead(opened.head), path, limit })
    while (scanner.stop === null) {
      for (const frame of await io('read', path, () => scanner.next())) {
        if (frame.header.baseOffset >= end) return { nextOffset: end, damage: null }
        if (frame.header.type === FrameType.RECORDS && nextOffsetAfter(frame.header) > wanted) yield { path, frame }
      }
      if (scanner.place.nextOffset >= end) break
    }
    const { nextOffset } = scanner.place
    // What the successor, or the writer in this process, says there must be.
    const known = Math.min(bound, segment.nextBaseOffset ?? Infinity)
    if (scanner.stop === null || nextOffset >= Math.min(known, end)) return { nextOffset, damage: null }
    const here = { stop: scanner.stop, nextOffset, limit }
    const proven = scanner.stop.reason === null ? null : await provenDamage(opened, here)
    if (proven !== null || known === Infinity) return { nextOffset, damage: proven }
    return { nextOffset, damage: knownDamage(path, here, known - 1) }
  } finally {
    await opened.handle.close()
  }
}

/** Where a segment's successor says that it ends. */
async function statedEnd(
  fs: FileSystem,
  segment: OpenSegment,
  { successor, partition }: { successor: ListedSegment; partition: Partition },
): Promise<number> {
  const { link } = await verifyLink(segment, await readHead(fs, successor, partition))
  return link.end
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

function outOfRange(
  { partition }: LogRange,
  range: { offset: number; firstOffset: number; nextOffset: number },
): OffsetOutOfRangeError {
  return new OffsetOutOfRangeError({
    path: partition.directory,
    offset: BigInt(range.offset),
    firstOffset: BigInt(range.firstOffset),
    nextOffset: BigInt(range.nextOffset),
  })
}
