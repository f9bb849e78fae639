/**
 * Segment files: opened, and checked against their successors. It reads only; `active-segment.ts` makes and writes them,
 * and `segment-listing.ts` lists them.
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
import { missingAsNotFound, offsetsOf } from './segment-listing.ts'
import type { ListedSegment } from './segment-listing.ts'

/** The segment header and OPEN of a file, verified. */
export interface SegmentHead {
  readonly path: string
  readonly baseOffset: number
  readonly open: OpenBody
  /** The OPEN frame's header; its `headerCrc` is the salt of all later frames. */
  readonly frame: FrameHeader
  /** Both as they stand in the file. */
  readonly bytes: Buffer
}

/** A segment as its frames know it. */
export interface FrameOrigin {
  readonly path: string
  readonly baseOffset: number
  readonly salt: number
}

/** A frame and the segment it stands in. */
export interface LocatedFrame {
  readonly segment: FrameOrigin
  readonly frame: Frame
  /** The batch that all who get this frame share. */
  readonly batch?: RecordBatch
}

/** A segment file that is open, with its verified head. */
export interface OpenSegment {
  readonly handle: LogFile
  readonly head: SegmentHead
}

/**
 * The partition's directory, which every writer makes. Rejects with `LogNotFoundError` where there is none, and with
 * `WalIoError` where it or its topic's directory is a symbolic link.
 */
export async function statDirectory(fs: FileSystem, directory: string): Promise<FileStat> {
  await refuseLinks(fs, directory)
  const stat = await missingAsNotFound(directory, () => fs.stat(directory))
  if (stat.kind !== 'directory') throw new LogNotFoundError(directory)
  return stat
}

/** Opens a segment and verifies its head: what it is, and that it is the one its name and directory say. */
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

/** The head of a segment, for what it states of the one before it. */
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
    throw damaged(`it is a segment of ${found}, in the directory of ${partition.topic}/${partition.partition}`, end)
  }
  if (frame.baseOffset !== baseOffset)
    throw damaged(`its base offset is ${frame.baseOffset}, not the one in its name`, end)
  return { path, baseOffset, open, frame, bytes: start.subarray(0, end) }
}

/**
 * The size of a segment that nothing but its file says the end of, the last one. Rejects with `UnsupportedFormatError`
 * where that is past every position: no log of this version was ever so long.
 */
export async function sizeOfLast({ handle, head: { path } }: OpenSegment): Promise<number> {
  const size = await handle.size()
  checkSize(path, size)
  return size
}

/** Throws `UnsupportedFormatError` for a size past every position. */
export function checkSize(path: string, size: number): void {
  if (size <= MAX_POSITION) return
  const found = `a segment file of ${size} bytes; this version knows none over 2^32 - 1`
  throw new UnsupportedFormatError({ path, position: MAX_POSITION, found })
}

/** Where the first frame after OPEN stands. */
export function placeAfterHead(head: SegmentHead): FramePlace {
  return {
    position: frameEnd(head.frame),
    nextOffset: head.baseOffset,
    previousCrc: head.frame.headerCrc,
    salt: head.frame.headerCrc,
  }
}

/** The verified header of a segment's frame at a position; null if none is there. Reads the header alone. */
export async function frameHeaderAt({ handle, head }: OpenSegment, position: number): Promise<FrameHeader | null> {
  const bytes = Buffer.alloc(FRAME_HEADER_BYTES)
  await handle.read(bytes, position)
  return decodeFrameHeader(bytes, { at: 0, position, salt: head.frame.headerCrc })
}

/**
 * Checks a segment against what its successor states of it: that the successor means this segment, and that the last
 * frame it names is there and ends where it says. Reads one frame header. Returns the statement, and that frame's
 * header.
 */
export async function verifyLink(
  segment: OpenSegment,
  successor: SegmentHead,
): Promise<{ link: SegmentLink; last: FrameHeader }> {
  const { path, baseOffset, frame: openFrame } = segment.head
  const link = successor.open.previous
  if (link?.baseOffset !== baseOffset) {
    const stated = link === null ? 'none' : `one with base offset ${link.baseOffset}`
    const reason = `${successor.path} states ${stated} as the segment before it, found ${baseOffset}: one is missing or strange`
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
  if (last === null || last.headerCrc !== link.lastCrc) throw wrong('but not this last frame is there')
  if (frameEnd(last) !== link.end) throw wrong(`but the last frame ends at ${frameEnd(last)}`)
  if (nextOffsetAfter(last) !== successor.baseOffset) {
    throw wrong(`but the last frame ends before offset ${nextOffsetAfter(last)}, not ${successor.baseOffset}`)
  }
  return { link, last }
}
