/**
 * Drops the end of a log from an offset on. Later segments are removed, newest first, and a new segment states where
 * the one with the offset ends. That one is not overwritten: its old frames would still verify after the new ones.
 *
 * If this is interrupted at any point, the log is valid, ends where it did or earlier, and holds everything before the
 * offset. To ensure that, the file of a segment is truncated to the end that its successor states before the successor
 * is removed, and sealed. Otherwise the ignored tail after that end would become part of the log again.
 */
import type { FileSystem } from '@sq/sim'
import { CorruptLogError, OffsetOutOfRangeError, OpaqueBatchError, UnsupportedFormatError } from '../../errors.ts'
import {
  Attribute,
  FRAME_HEADER_BYTES,
  frameBytes,
  frameEnd,
  FrameType,
  nextOffsetAfter,
  placeAfter,
} from '../format/frame.ts'
import type { Frame, FrameHeader } from '../format/frame.ts'
import { finishRecordsFrames, partOf } from '../format/records-frame.ts'
import type { RecordsWrite } from '../format/records-frame.ts'
import { encodeEnding, SummaryBuilder } from '../format/seal.ts'
import type { SegmentLink } from '../segment.ts'
import { knownDamage, notRecords } from '../segments/damage.ts'
import { io, LogFile } from '../segments/log-file.ts'
import type { Partition } from '../segments/partition.ts'
import { SegmentScanner } from '../segments/scan.ts'
import { endOf } from '../segments/segment-end.ts'
import { openSegment, placeAfterHead, readHead } from '../segments/segment-file.ts'
import type { OpenSegment, SegmentHead } from '../segments/segment-file.ts'
import { indexOfSegment, listSegmentFiles } from '../segments/segment-listing.ts'
import type { ListedSegment } from '../segments/segment-listing.ts'
import { readSummary, summarize } from '../segments/summary.ts'
import { ActiveSegment } from './active-segment.ts'
import type { SegmentMaker } from './active-segment.ts'
import { copyFile } from './copy-file.ts'
import type { SegmentDirectory } from './partition-directory.ts'

/** The end of a truncated log, ready to be written. */
export interface TruncatedLog {
  readonly active: ActiveSegment
  /** The end of the segment before the active one. */
  readonly previous: SegmentLink | null
  /** The segments before it. */
  readonly left: readonly ListedSegment[]
  /** The sizes of those of their files that this attempt or one that failed may have changed, by base offset. */
  readonly leftFileBytes: ReadonlyMap<number, number>
}

/**
 * Drops every record from `offset` on. Everything before it must be durable. That holds for a log that is open for
 * writing, and for the part before the first damage: a log that `WalWriter.open` refuses can be truncated before its
 * first damage. `nextOffset` is the log end offset as far as the caller knows. `begin` is called before the first
 * change, when everything that is needed has been read and verified.
 *
 * Rejects with `OffsetOutOfRangeError`, `OpaqueBatchError`, `CorruptLogError` and `UnsupportedFormatError` before that,
 * with nothing changed, and with `WalIoError` and `LockLostError` at any time. Then call it again with the same offset
 * or an earlier one: until it has resolved, nothing may be written to the log.
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
  const { previous } = cut
  const left = previous === null ? [] : log.listed.filter(({ baseOffset }) => baseOffset <= previous.baseOffset)
  const leftFileBytes = new Map<number, number>()
  // The last one was cut, or an attempt that failed has cut the one before it and created the last one.
  for (const changed of left.slice(-2)) leftFileBytes.set(changed.baseOffset, await sizeOf(log.fs, changed))
  return { active: await ActiveSegment.create(maker, cut), previous, left, leftFileBytes }
}

async function sizeOf(fs: FileSystem, { path }: ListedSegment): Promise<number> {
  return (await io('look at', path, () => fs.stat(path))).sizeBytes
}

/** A log on disk. */
interface Log {
  readonly fs: FileSystem
  readonly partition: Partition
  readonly listed: readonly ListedSegment[]
}

/** The new segment, and what it needs of the segment that holds the offset. */
interface Cut {
  readonly baseOffset: number
  readonly previous: SegmentLink | null
  /** The records before the offset that share a frame with it. */
  readonly first: RecordsWrite | null
  /**
   * The segment that holds the offset must not end before this position until the new segment exists; null if it may.
   */
  readonly neededEnd: number | null
}

/** The cut at the start of a segment: the new segment replaces it. */
async function cutBefore(log: Log, at: number): Promise<Cut> {
  const { baseOffset } = segmentAt(log, at)
  return { baseOffset, previous: await linkBefore(log, at), first: null, neededEnd: null }
}

/** The cut inside a segment. If no whole frame of records is left of it, the new segment replaces it. */
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
 * The end of the segment before a replaced one, for the new segment to state: as the replaced one states it or, if it
 * is damaged or does not fit, as the records show. Null for the first segment if nothing is known.
 */
async function linkBefore(log: Log, at: number): Promise<SegmentLink | null> {
  const { fs, partition } = log
  const segment = segmentAt(log, at)
  const head = await unlessCorrupt(readHead(fs, segment, partition))
  if (at === 0) return head?.open.previous ?? null
  const before = await openAt(log, at - 1)
  try {
    const stated = head && (await unlessCorrupt(endOf(before, head)))
    const { last } = stated ?? (await scanTo(before, segment.baseOffset))
    return linkTo(before.head, last)
  } finally {
    await before.handle.close()
  }
}

/**
 * The last frame that ends before an offset, and the frame that holds records on both sides of it. Frames after the
 * last record before the offset are not read: they may not be durable.
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
function recordsBefore(split: Frame, { offset, head }: { offset: number; head: SegmentHead }): RecordsWrite {
  const { baseOffset, attributes } = split.header
  if ((attributes & Attribute.OPAQUE) !== 0) {
    const batch = { baseOffset: BigInt(baseOffset), nextOffset: BigInt(nextOffsetAfter(split.header)) }
    throw new OpaqueBatchError(`cannot truncate ${head.path} at offset ${offset}`, batch)
  }
  // The whole frame is checked, so that records are never copied from bytes that no log writes.
  summarize(split, { summary: new SummaryBuilder(), head })
  const part = partOf(split, { from: baseOffset, to: offset })
  if (part === null) throw notRecords(head.path, split.header)
  const { header, body } = part
  const summary = new SummaryBuilder()
  summarize(part, { summary, head })
  const { minTimestampMs, maxTimestampMs } = summary
  const { recordCount, bodyLength, bodyCrc } = header
  const draft = { attributes, bodyLength, bodyCrc, recordCount, minTimestampMs, maxTimestampMs }
  return {
    recordCount,
    encode(place) {
      const buffer = Buffer.alloc(frameBytes(body.length))
      body.copy(buffer, FRAME_HEADER_BYTES)
      return finishRecordsFrames(buffer, [draft], place)
    },
  }
}

/** The end that the file of a segment gets. */
interface FileEnd {
  readonly path: string
  readonly position: number
  /** What is written there; null if a damaged segment only becomes shorter. */
  readonly ending: Buffer | null
}

/** The segments after one, oldest first, each with the end that the file before it must get before it is removed. */
async function segmentsAfter(
  log: Log,
  { at, neededEnd }: { at: number; neededEnd: number | null },
): Promise<{ path: string; before: FileEnd | null }[]> {
  const dropped: { path: string; before: FileEnd | null }[] = []
  for (let index = at + 1; index < log.listed.length; index++) {
    const before = await fileEndOf(log, { at: index - 1, neededEnd: index - 1 === at ? neededEnd : null })
    dropped.push({ path: segmentAt(log, index).path, before })
  }
  return dropped
}

/**
 * Where the file of a segment must end before its successor is removed. Null if that needs no care: it ends with its
 * SEAL, or its head is damaged and it cannot be read. If nothing tells the end, only what is needed is kept.
 */
async function fileEndOf(
  log: Log,
  { at, neededEnd }: { at: number; neededEnd: number | null },
): Promise<FileEnd | null> {
  const opened = await unlessCorrupt(openAt(log, at))
  if (opened === null) return null
  const { path, frame } = opened.head
  try {
    const successor = await unlessCorrupt(readHead(log.fs, segmentAt(log, at + 1), log.partition))
    const stated = successor && (await unlessCorrupt(endOf(opened, successor)))
    if (stated === null) return { path, position: neededEnd ?? frameEnd(frame), ending: null }
    if (stated.last.type === FrameType.SEAL) return null
    return { path, position: stated.limit, ending: await endingOf(opened, stated.last) }
  } finally {
    await opened.handle.close()
  }
}

/** The bytes that seal a segment after its last frame; null if its records cannot be read, which are to be dropped. */
async function endingOf(opened: OpenSegment, last: FrameHeader): Promise<Buffer | null> {
  try {
    const summary = await readSummary(opened, last)
    // The salt of a segment is the checksum of its OPEN.
    return encodeEnding(placeAfter(last, opened.head.frame.headerCrc), summary).bytes
  } catch (error) {
    if (error instanceof CorruptLogError || error instanceof UnsupportedFormatError) return null
    throw error
  }
}

/**
 * Truncates a file and seals it there, durably. Also if it seems to end there: an earlier truncation may have failed to
 * reach the disk.
 *
 * It is sealed so that nothing is appended to it if the truncation is interrupted after its successor is removed. Where
 * a file grows, a power cut may bring back old content, and here that could be the frames that were cut off. A damaged
 * segment is not sealed: it must stay recognizable as that.
 *
 * A file that is also in a checkpoint stays as it is there, and a shorter copy takes its name here.
 */
async function endFile(directory: SegmentDirectory, { path, position, ending }: FileEnd): Promise<void> {
  await directory.checkLock()
  const { fs, unfinishedPath } = directory
  const isLinked = (await io('look at', path, () => fs.stat(path))).links > 1
  if (isLinked) {
    await directory.removeUnfinished()
    await copyFile(fs, { from: path, to: unfinishedPath, like: path, bytes: position })
  }
  const handle = await LogFile.open(fs, isLinked ? unfinishedPath : path, 'read-write')
  try {
    await handle.truncate(position)
    if (ending !== null) await handle.write([ending], position)
    await handle.sync()
  } finally {
    await handle.close()
  }
  if (isLinked) await directory.finish(path)
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
