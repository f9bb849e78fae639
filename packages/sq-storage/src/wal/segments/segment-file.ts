/**
 * Opens segment files. It only reads; `active-segment.ts` creates and writes them, `segment-listing.ts` lists them, and
 * `segment-end.ts` tells where they end.
 */
import type { FileStat, FileSystem, OpenMode } from '@sq/sim'
import { CorruptLogError, LogNotFoundError, UnsupportedFormatError } from '../../errors.ts'
import { decodeFrameHeader, FRAME_HEADER_BYTES, frameEnd, placeAfter } from '../format/frame.ts'
import type { Frame, FrameHeader, FramePlace } from '../format/frame.ts'
import type { RecordBatch } from '../format/record-batch.ts'
import { decodeSegmentHead, MAX_HEAD_BYTES } from '../segment.ts'
import type { OpenBody } from '../segment.ts'
import { refuseLinks } from './directory-links.ts'
import { LogFile } from './log-file.ts'
import type { Partition } from './partition.ts'
import { isLog, listNames, offsetsOf } from './segment-listing.ts'
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
  readonly batch?: RecordBatch | null
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

/**
 * Rejects with `LogNotFoundError` unless there is a log that a writer has opened at least once, and with `WalIoError`.
 */
export async function requireLog(fs: FileSystem, { directory }: Partition): Promise<void> {
  await statDirectory(fs, directory)
  if (!isLog(await listNames(fs, directory))) throw new LogNotFoundError(directory)
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

/** The place of the first frame after OPEN. */
export function placeAfterHead(head: SegmentHead): FramePlace {
  return placeAfter(head.frame, head.frame.headerCrc)
}

/** The verified header of a frame at a position; null if none is there. Reads only the header. */
export async function frameHeaderAt({ handle, head }: OpenSegment, position: number): Promise<FrameHeader | null> {
  const bytes = Buffer.alloc(FRAME_HEADER_BYTES)
  await handle.read(bytes, position)
  return decodeFrameHeader(bytes, { at: 0, position, salt: head.frame.headerCrc })
}
