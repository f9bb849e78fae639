/**
 * The file that makes a log begin inside a segment. `deleteRecords` writes it; without it, a log begins with its first
 * segment.
 *
 * ```
 *  0        4         6       8             16         20
 *  +--------+---------+-------+-------------+----------+
 *  | "SQLS" | version | zeros | offset, u64 | checksum |
 *  +--------+---------+-------+-------------+----------+
 * ```
 *
 * The checksum is that of the bytes before it, seeded with the checksum of `{topic}/{partition}`: the file of another
 * log does not verify.
 */
import { join } from 'node:path'
import type { FileSystem } from '@sq/sim'
import { CorruptLogError, UnsupportedFormatError } from '../../errors.ts'
import { checksum } from '../format/frame.ts'
import { readUint64, writeUint64 } from '../format/integers.ts'
import { LOG_START_NAME } from '../segment.ts'
import { LogFile } from './log-file.ts'
import type { Partition } from './partition.ts'
import { isMissing, listNames, refuseBeyondOffsets, resetAmong, segmentsAmong, whileListed } from './segment-listing.ts'
import type { ListedSegment } from './segment-listing.ts'

const LENGTH = 20
const VERSION = 1
const MAGIC = 'SQLS'
const AT = { magic: 0, version: 4, offset: 8, checksum: 16 } as const

/** The path of the file, in the directory of a log. */
export function logStartPath(directory: string): string {
  return join(directory, LOG_START_NAME)
}

/** The bytes of the file. */
export function encodeLogStart(offset: number, partition: Partition): Buffer {
  const bytes = Buffer.alloc(LENGTH)
  bytes.write(MAGIC, AT.magic, 'latin1')
  bytes.writeUInt16LE(VERSION, AT.version)
  writeUint64(bytes, offset, AT.offset)
  bytes.writeUInt32LE(checksumOf(bytes, partition), AT.checksum)
  return bytes
}

function checksumOf(bytes: Buffer, { topic, partition }: Partition): number {
  return checksum(bytes.subarray(0, AT.checksum), checksum(Buffer.from(`${topic}/${partition}`, 'latin1')))
}

/**
 * The offset in the file. Rejects with `CorruptLogError` if it does not verify, with `UnsupportedFormatError` for
 * another version, and with `WalIoError`.
 */
async function readLogStart(fs: FileSystem, partition: Partition): Promise<number> {
  const path = logStartPath(partition.directory)
  const bytes = await readStart(fs, path)
  const damaged = (reason: string) =>
    new CorruptLogError({ path, from: 0, to: bytes.length, firstOffset: 0n, lastOffset: -1n, reason })
  if (bytes.toString('latin1', 0, AT.version) !== MAGIC || bytes.length < AT.offset) {
    throw damaged(`expected the log start, found ${bytes.length} bytes of something else; ${NEXT_STEP}`)
  }
  const version = bytes.readUInt16LE(AT.version)
  if (version !== VERSION) {
    const found = `version ${version} of the log start; this version reads ${VERSION}`
    throw new UnsupportedFormatError({ path, position: AT.version, found })
  }
  if (bytes.length !== LENGTH) throw damaged(`expected ${LENGTH} bytes, found ${bytes.length} or more; ${NEXT_STEP}`)
  const [expected, found] = [checksumOf(bytes, partition), bytes.readUInt32LE(AT.checksum)]
  if (found !== expected) throw damaged(`expected the checksum ${hex(expected)}, found ${hex(found)}; ${NEXT_STEP}`)
  const offset = readUint64(bytes, AT.offset)
  if (Number.isSafeInteger(offset)) return offset
  throw new UnsupportedFormatError({ path, position: AT.offset, found: 'a log start offset over 2^53 - 1' })
}

const NEXT_STEP = 'a repair removes the file, and then the records that were deleted are in the log again'

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`
}

/** The bytes of the file, up to one more than it has. */
async function readStart(fs: FileSystem, path: string): Promise<Buffer> {
  const handle = await LogFile.open(fs, path, 'read')
  try {
    const bytes = Buffer.alloc(LENGTH + 1)
    return bytes.subarray(0, await handle.read(bytes, 0))
  } finally {
    await handle.close()
  }
}

/** A log as its directory shows it. */
export interface ListedLog {
  /** The segments that hold records of the log, or an offset to continue at, oldest first. */
  readonly segments: readonly ListedSegment[]
  /** The segments before them, of which every record is deleted, oldest first. */
  readonly deleted: readonly ListedSegment[]
  /** The offset in the log start; 0 if there is none. */
  readonly start: number
  /** The log start offset. */
  readonly firstOffset: number
}

/**
 * Lists a log. While it is being reset, and after a reset that was interrupted, that is the new log: its segment is
 * complete, and of the old ones some may be gone. `start` is the log start if a writer in this thread knows it; null to
 * read it. Rejects as `readLogStart` does, and with `LogNotFoundError`.
 */
export async function listLog(fs: FileSystem, partition: Partition, start: number | null = null): Promise<ListedLog> {
  const { directory } = partition
  return whileListed(
    () => listNames(fs, directory),
    async (names) => {
      refuseBeyondOffsets(names, directory)
      const reset = resetAmong(names, directory)
      if (reset !== null) return listedLog([reset], 0)
      // If the log start is gone since then, the log was reset, and is listed again.
      const known = start ?? (names.includes(LOG_START_NAME) ? await readLogStart(fs, partition) : 0)
      return listedLog(segmentsAmong(names, directory), known)
    },
  )
}

/**
 * The offset in the log start of a log with these names; 0 if it has none, or none any more. Rejects as `readLogStart`
 * does.
 */
export async function startAmong(fs: FileSystem, partition: Partition, names: readonly string[]): Promise<number> {
  if (!names.includes(LOG_START_NAME)) return 0
  try {
    return await readLogStart(fs, partition)
  } catch (error) {
    if (isMissing(error)) return 0
    throw error
  }
}

/** The log that begins at an offset, of these segments. */
export function listedLog(listed: readonly ListedSegment[], start: number): ListedLog {
  const at = listed.findIndex(({ successor }) => successor === null || successor.baseOffset > start)
  const [deleted, segments] = at === -1 ? [[], []] : [listed.slice(0, at), listed.slice(at)]
  return { segments, deleted, start, firstOffset: Math.max(segments[0]?.baseOffset ?? 0, start) }
}
