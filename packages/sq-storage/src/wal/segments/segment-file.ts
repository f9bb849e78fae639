/**
 * Opens segment files and checks them against their successors. It only reads; `active-segment.ts` creates and writes
 * them, and `segment-listing.ts` lists them.
 */
import type { FileStat, FileSystem, OpenMode } from '@sq/sim'
import { CorruptLogError, LogNotFoundError, UnsupportedFormatError } from '../../errors.ts'
import { decodeFrameHeader, FRAME_HEADER_BYTES, frameEnd, MAX_POSITION, nextOffsetAfter } from '../format/frame.ts'
import type { Frame, FrameHeader, FramePlace } from '../format/frame.ts'
import type { RecordBatch } from '../format/record-batch.ts'
import { decodeSegmentHead, MAX_HEAD_BYTES } from '../segment.ts'
import type { OpenBody, SegmentLink } from '../segment.ts'
import { refuseLinks } from './directory-links.ts'
import { LogFile } from './log-file.ts'
import type { Partition } from './partition.ts'
import { offsetsOf } from './segment-listing.ts'
import type { ListedSegment } from './segment-listing.ts'

/** The segment header and OPEN of a file, verified. */
export interface SegmentHead {
  readonly path: string
  readonly baseOffset: number
  readonly open: OpenBody
  /** The header of the OPEN frame; its `headerCrc` is the salt of all later frames. */
  readonly frame: FrameHeader
  /** The bytes of both in the file. */
  readonly bytes: Buffer
}

/** The segment that a frame belongs to. */
export interface FrameOrigin {
  readonly path: string
  readonly baseOffset: number
  readonly salt: number
}

/** A frame and its segment. */
export interface LocatedFrame {
  readonly segment: FrameOrigin
  readonly frame: Frame
  /** The batch that all readers of this frame share. */
  readonly batch?: RecordBatch
}

/** An open segment file with its verified head. */
export interface OpenSegment {
  readonly handle: LogFile
  readonly head: SegmentHead
}

/**
 * Looks up the directory of a partition, which every writer creates. Rejects with `LogNotFoundError` if it does not
 * exist, and with `WalIoError` if it or the directory of its topic is a symbolic link.
 */
export async function statDirectory(fs: FileSystem, directory: string): Promise<FileStat> {
  const stat = await refuseLinks(fs, directory)
  if (stat?.kind !== 'directory') throw new LogNotFoundError(directory)
  return stat
}

/** Opens a segment and verifies its head, and that topic, partition and base offset match its path. */
export async function openSegment(
  fs: FileSystem,
  segment: ListedSegment,
  { partition, mode }: { partition: Partition; mode: OpenMode },
): Promise<OpenSegment> {
  const handle = await LogFile.open(fs, segment.path, mode)
  try {
    const start = Buffer.alloc(MAX_HEAD_BYTES)
    const bytesRead = await handle.read(start, 0)
    return { handle, head: decodeHead(start.subarray(0, bytesRead), segment, partition) }
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** The head of a segment, for what it states about the segment before it. */
export async function readHead(fs: FileSystem, segment: ListedSegment, partition: Partition): Promise<SegmentHead> {
  const { handle, head } = await openSegment(fs, segment, { partition, mode: 'read' })
  await handle.close()
  return head
}

function decodeHead(start: Buffer, segment: ListedSegment, partition: Partition): SegmentHead {
  const { path, baseOffset } = segment
  const damaged = (reason: string, to: number) =>
    new CorruptLogError({ path, from: 0, to, ...offsetsOf(segment), reason })

  const decoded = decodeSegmentHead(start)
  if ('kind' in decoded) {
    const { kind, from, to, reason } = decoded
    throw kind === 'damaged' ? damaged(reason, to) : new UnsupportedFormatError({ path, position: from, found: reason })
  }
  const { segment: segmentHeader, frame, open } = decoded
  const end = frameEnd(frame)
  if (open.topic !== partition.topic || segmentHeader.partition !== partition.partition) {
    const found = `${open.topic}/${segmentHeader.partition}`
    throw damaged(`it is a segment of ${found}, but in the directory of ${partition.topic}/${partition.partition}`, end)
  }
  if (frame.baseOffset !== baseOffset)
    throw damaged(`its base offset is ${frame.baseOffset}, expected the one in its name`, end)
  return { path, baseOffset, open, frame, bytes: start.subarray(0, end) }
}

/**
 * The size of the last segment, whose end only its file tells. Rejects with `UnsupportedFormatError` if the size is
 * over the largest position: no log of this version was ever that long.
 */
export async function sizeOfLast({ handle, head: { path } }: OpenSegment): Promise<number> {
  const size = await handle.size()
  checkSize(path, size)
  return size
}

/** Throws `UnsupportedFormatError` for a size over the largest position. */
export function checkSize(path: string, size: number): void {
  if (size <= MAX_POSITION) return
  const found = `a segment file of ${size} bytes; this version knows none over 2^32 - 1`
  throw new UnsupportedFormatError({ path, position: MAX_POSITION, found })
}

/** The place of the first frame after OPEN. */
export function placeAfterHead(head: SegmentHead): FramePlace {
  return {
    position: frameEnd(head.frame),
    nextOffset: head.baseOffset,
    previousCrc: head.frame.headerCrc,
    salt: head.frame.headerCrc,
  }
}

/** The verified header of a frame at a position; null if none is there. Reads only the header. */
export async function frameHeaderAt({ handle, head }: OpenSegment, position: number): Promise<FrameHeader | null> {
  const bytes = Buffer.alloc(FRAME_HEADER_BYTES)
  await handle.read(bytes, position)
  return decodeFrameHeader(bytes, { at: 0, position, salt: head.frame.headerCrc })
}

/**
 * Checks a segment against what its successor states: that the successor names this segment, and that the stated last
 * frame is there and ends at the stated position. Reads one frame header. Returns the statement and that header.
 */
export async function verifyLink(
  segment: OpenSegment,
  successor: SegmentHead,
): Promise<{ link: SegmentLink; last: FrameHeader }> {
  const { path, baseOffset, frame: openFrame } = segment.head
  const link = successor.open.previous
  if (link?.baseOffset !== baseOffset) {
    const stated = link === null ? 'none' : `one with base offset ${link.baseOffset}`
    const reason = `${successor.path} states ${stated} as the segment before it, found ${baseOffset}: a segment is missing or does not belong to this log`
    throw new CorruptLogError({
      path: successor.path,
      from: 0,
      to: successor.bytes.length,
      firstOffset: BigInt(link?.baseOffset ?? baseOffset),
      lastOffset: BigInt(successor.baseOffset - 1),
      reason,
    })
  }
  const bytes = Buffer.alloc(FRAME_HEADER_BYTES)
  await segment.handle.read(bytes, link.lastPosition)
  const isOpen = link.lastPosition === openFrame.position
  const last = isOpen
    ? openFrame
    : decodeFrameHeader(bytes, { at: 0, position: link.lastPosition, salt: openFrame.headerCrc })
  const size = await segment.handle.size()
  const wrong = (reason: string) =>
    new CorruptLogError({
      path,
      from: link.lastPosition,
      to: link.end,
      firstOffset: BigInt(baseOffset),
      lastOffset: BigInt(successor.baseOffset - 1),
      reason: `${successor.path} states its end at ${link.end}, ${reason}`,
    })
  if (size < link.end) throw wrong(`but the file has ${size} bytes`)
  if (last === null || last.headerCrc !== link.lastCrc) throw wrong('but that last frame is not there')
  if (frameEnd(last) !== link.end) throw wrong(`but the last frame ends at ${frameEnd(last)}`)
  if (nextOffsetAfter(last) !== successor.baseOffset) {
    throw wrong(`but the last frame ends before offset ${nextOffsetAfter(last)}, not ${successor.baseOffset}`)
  }
  return { link, last }
}
