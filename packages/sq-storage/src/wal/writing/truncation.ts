/**
 * Drops the end of a log, from an offset on. A segment is never cut and then written again: its old frames would still
 * verify behind the new ones. Later segments go, newest first, and a new one says where the one that is cut ends.
 *
 * Wherever this is stopped, the log is valid, ends where it did or earlier, and holds all before the offset. For that a
 * segment is made to end, in its file too, where its successor says, before the successor goes: what was void behind
 * that end would be part of the log again.
 */
import type { FileSystem } from '@sq/sim'
import { CorruptLogError, OffsetOutOfRangeError } from '../../errors.ts'
import { FRAME_HEADER_BYTES, frameBytes, frameEnd, FrameType, nextOffsetAfter } from '../format/frame.ts'
import type { Frame, FrameHeader } from '../format/frame.ts'
import { sliceRecords } from '../format/record.ts'
import { finishRecordsFrame } from '../format/records-frame.ts'
import type { RecordsFrame } from '../format/records-frame.ts'
import { SummaryBuilder } from '../format/seal.ts'
import type { SegmentLink } from '../segment.ts'
import { knownDamage } from '../segments/damage.ts'
import { LogFile } from '../segments/log-file.ts'
import type { Partition } from '../segments/partition.ts'
import { SegmentScanner } from '../segments/scan.ts'
import { openSegment, placeAfterHead, readHead, verifyLink } from '../segments/segment-file.ts'
import type { OpenSegment, SegmentHead } from '../segments/segment-file.ts'
import { indexOfSegment, listSegmentFiles } from '../segments/segment-listing.ts'
import type { ListedSegment } from '../segments/segment-listing.ts'
import { summarize } from '../segments/summary.ts'
import { ActiveSegment } from './active-segment.ts'
import type { SegmentMaker } from './active-segment.ts'
import type { SegmentDirectory } from './partition-directory.ts'

/** What is left of a log that was truncated, as far as it is to be written. */
export interface TruncatedLog {
  readonly active: ActiveSegment
  /** The end of the segment before the active one. */
  readonly previous: SegmentLink | null
}

/**
 * Drops every record from `offset` on. All before it must be durable, as it is in a log that is open for writing, and
 * as what stands before damage is: a log that `WalWriter.open` refuses may be cut before its first damage. `nextOffset`
 * is where the log ends, as far as the caller knows. `begin` is called when everything that is needed has been read and
 * verified, before the first change.
 *
 * Rejects with `OffsetOutOfRangeError`, `CorruptLogError` and `UnsupportedFormatError` before that, with nothing
 * changed; with `WalIoError` and `LockLostError` at any time. To be called again then, with the same offset or an
 * earlier one: until it resolved, nothing may be written to the log.
 */
export async function truncateLog(
  maker: SegmentMaker,
  { offset, nextOffset, begin }: { offset: number; nextOffset: number; begin: () => Promise<void> },
): Promise<TruncatedLog> {
  const { directory, partition } = maker
  await directory.checkLock()
  const listed = await directory.whileThere(() => listSegmentFiles(directory.fs, directory.path))
  const log: Log = { fs: directory.fs, partition, listed }
  const at = indexOfSegment(log.listed, offset)
  const segment = log.listed[at]
  if (segment === undefined || offset > nextOffset) {
    const firstOffset = log.listed[0]?.baseOffset ?? nextOffset
    throw new OffsetOutOfRangeError({
      path: directory.path,
      offset: BigInt(offset),
      firstOffset: BigInt(firstOffset),
      nextOffset: BigInt(nextOffset),
    })
  }
  const cut = segment.baseOffset === offset ? await cutBefore(log, at) : await cutInside(log, { at, offset })
  const dropped = await segmentsAfter(log, { at, neededEnd: cut.neededEnd })

  await begin()
  for (const { path, before } of dropped.toReversed()) {
    if (before !== null) await endFile(directory, before)
    await directory.remove(path)
  }
  return { active: await ActiveSegment.create(maker, cut), previous: cut.previous }
}

/** A log on disk, to be looked at. */
interface Log {
  readonly fs: FileSystem
  readonly partition: Partition
  readonly listed: readonly ListedSegment[]
}

/** The new segment, and what of the one that holds the offset it needs. */
interface Cut {
  readonly baseOffset: number
  readonly previous: SegmentLink | null
  /** The records before the offset that share their frame with it. */
  readonly first: RecordsFrame | null
  /** Before the new segment is there, the one that holds the offset must not end before this; null: it may. */
  readonly neededEnd: number | null
}

/** The cut where a segment begins with the offset: the new segment takes its place. */
async function cutBefore(log: Log, at: number): Promise<Cut> {
  const { baseOffset } = segmentAt(log, at)
  return { baseOffset, previous: await linkBefore(log, at), first: null, neededEnd: null }
}

/** The cut inside a segment. Where no whole frame of records is left of that, the new segment takes its place. */
async function cutInside(log: Log, { at, offset }: { at: number; offset: number }): Promise<Cut> {
  const opened = await openAt(log, at)
  try {
    const { last, split } = await scanTo(opened, offset)
    const baseOffset = nextOffsetAfter(last)
    return {
      baseOffset,
      previous: baseOffset === opened.head.baseOffset ? await linkBefore(log, at) : linkTo(opened.head, last),
      first: split === null ? null : recordsBefore(split, { offset, head: opened.head }),
      neededEnd: frameEnd(split?.header ?? last),
    }
  } finally {
    await opened.handle.close()
  }
}

/**
 * Where the segment before another one ends, for a new segment in that one's place: as that one says or, where it is
 * damaged or does not fit, as its records say. Null for the first segment, if nothing can be said.
 */
async function linkBefore(log: Log, at: number): Promise<SegmentLink | null> {
  const { fs, partition } = log
  const segment = segmentAt(log, at)
  const head = await unlessCorrupt(readHead(fs, segment, partition))
  if (at === 0) return head?.open.previous ?? null
  const before = await openAt(log, at - 1)
  try {
    const stated = head === null ? null : await unlessCorrupt(verifyLink(before, head))
    if (stated !== null) return stated.link
    const { last } = await scanTo(before, segment.baseOffset)
    return linkTo(before.head, last)
  } finally {
    await before.handle.close()
  }
}

/**
 * The last frame that ends before an offset, and the frame that holds records on both sides of it. No frame behind the
 * last record before the offset is looked at: nothing says that it is durable.
 */
async function scanTo(
  { handle, head }: OpenSegment,
  offset: number,
): Promise<{ last: FrameHeader; split: Frame | null }> {
  const limit = await handle.size()
  const scanner = new SegmentScanner(handle, { ...placeAfterHead(head), limit })
  let last = head.frame
  while (scanner.stop === null) {
    for (const frame of await scanner.next()) {
      if (nextOffsetAfter(frame.header) > offset) return { last, split: frame }
      last = frame.header
      if (nextOffsetAfter(last) === offset) return { last, split: null }
    }
  }
  throw knownDamage(head.path, { stop: scanner.stop, nextOffset: nextOffsetAfter(last), limit }, offset - 1)
}

/** The records of a frame before an offset inside it, as a frame of their own. */
function recordsBefore(split: Frame, { offset, head }: { offset: number; head: SegmentHead }): RecordsFrame {
  const recordCount = offset - split.header.baseOffset
  summarize(split, { summary: new SummaryBuilder(), head })
  const body = sliceRecords(split.body, 0, recordCount)
  const summary = new SummaryBuilder()
  summarize({ ...split, header: { ...split.header, recordCount }, body }, { summary, head })
  const { minTimestampMs, maxTimestampMs } = summary
  return {
    recordCount,
    minTimestampMs,
    maxTimestampMs,
    encode(place) {
      const buffer = Buffer.alloc(frameBytes(body.length))
      body.copy(buffer, FRAME_HEADER_BYTES)
      return finishRecordsFrame(buffer, { bodyLength: body.length, recordCount, place })
    },
  }
}

/** A place in a segment's file. */
interface FileEnd {
  readonly path: string
  readonly end: number
}

/** The segments behind one, oldest first, each with where the file of the one before it must end when it goes. */
async function segmentsAfter(
  log: Log,
  { at, neededEnd }: { at: number; neededEnd: number | null },
): Promise<{ path: string; before: FileEnd | null }[]> {
  const dropped: { path: string; before: FileEnd | null }[] = []
  for (let index = at + 1; index < log.listed.length; index++) {
    const before = await endOf(log, { at: index - 1, neededEnd: index - 1 === at ? neededEnd : null })
    dropped.push({ path: segmentAt(log, index).path, before })
  }
  return dropped
}

/**
 * Where the file of a segment must end before its successor goes; null where that needs no care: it ends with its SEAL,
 * or its head is damaged and nobody will read it. Where nothing tells, nothing is kept that is not needed.
 */
async function endOf(log: Log, { at, neededEnd }: { at: number; neededEnd: number | null }): Promise<FileEnd | null> {
  const opened = await unlessCorrupt(openAt(log, at))
  if (opened === null) return null
  const { path, frame } = opened.head
  try {
    const successor = await unlessCorrupt(readHead(log.fs, segmentAt(log, at + 1), log.partition))
    const stated = successor === null ? null : await unlessCorrupt(verifyLink(opened, successor))
    if (stated === null) return { path, end: neededEnd ?? frameEnd(frame) }
    return stated.last.type === FrameType.SEAL ? null : { path, end: stated.link.end }
  } finally {
    await opened.handle.close()
  }
}

/** Cuts a file, durably. Also where it seems to end there: an earlier cut may have failed, and not be on the disk. */
async function endFile(directory: SegmentDirectory, { path, end }: FileEnd): Promise<void> {
  await directory.checkLock()
  const handle = await LogFile.open(directory.fs, path, 'read-write')
  try {
    await handle.truncate(end)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function linkTo({ baseOffset }: SegmentHead, last: FrameHeader): SegmentLink {
  return { baseOffset, end: frameEnd(last), lastPosition: last.position, lastCrc: last.headerCrc }
}

function openAt(log: Log, at: number): Promise<OpenSegment> {
  return openSegment(log.fs, segmentAt(log, at), { partition: log.partition, mode: 'read' })
}

function segmentAt({ listed }: Log, at: number): ListedSegment {
  const segment = listed[at]
  if (segment === undefined) throw new RangeError(`there is no segment ${at}`)
  return segment
}

/** Null instead of a `CorruptLogError`: what is dropped may be damaged. */
async function unlessCorrupt<T>(reading: Promise<T>): Promise<T | null> {
  try {
    return await reading
  } catch (error) {
    if (error instanceof CorruptLogError) return null
    throw error
  }
}
