/**
 * Copies a log, or the newest part of it, into a data directory that does not have it: out of an archive or a backup.
 * The copy appears in one step, when all its bytes are durable and have been verified.
 */
import { basename, join } from 'node:path'
import type { FileSystem } from '@sq/sim'
import { checkOffset, checkOptions, resolveConfig } from '../config.ts'
import type { WalConfig } from '../config.ts'
import { CorruptLogError, OffsetOutOfRangeError } from '../errors.ts'
import { describeSegments } from './segments/describe.ts'
import type { SegmentInfo } from './segments/describe.ts'
import { listLog, logStartPath } from './segments/log-start.ts'
import { locatePartition } from './segments/partition.ts'
import type { Partition } from './segments/partition.ts'
import { statDirectory } from './segments/segment-file.ts'
import { sharedLog } from './shared/shared-log.ts'
import { copyFile } from './writing/copy-file.ts'
import { createLogStart } from './writing/record-deletion.ts'
import { makeDirectory } from './writing/temporary-directory.ts'

/** A data directory in a file system: where a log is copied from, or to. */
export interface CopyPlace {
  readonly fs: FileSystem
  readonly config: WalConfig
}

/** Options of `copyLog`. */
export interface CopyOptions {
  /** Leaves out the segments that hold only offsets below this one; none if not given. */
  readonly fromOffset?: bigint
}

/** What was copied. */
export interface CopiedLog {
  readonly logStartOffset: bigint
  readonly logEndOffset: bigint
  readonly segments: number
  readonly bytes: number
}

const OPTIONS: ReadonlySet<string> = new Set<keyof CopyOptions>(['fromOffset'])

/**
 * Copies a partition's log from one data directory to another, which may be in different file systems, with the same
 * topic, partition and offsets. The source is opened for reading only; it may be an archive, a backup, or the log of a
 * writer at work, of which everything is copied that was durable when the copy began. After a crash the log is there
 * whole, or not at all. What a crash has left is removed by the next `copyLog` or `WalWriter.open` of the partition.
 *
 * Memory: 4 MiB, and a description of each segment.
 *
 * Rejects, and leaves nothing behind:
 *
 * - with a `WalIoError` with the code `EEXIST` if the target has anything for that partition,
 * - with `CorruptLogError`, whose path and positions are those of the source, if bytes do not verify,
 * - with `OffsetOutOfRangeError` if `fromOffset` is before the log start offset or beyond the log end offset,
 * - with `LogNotFoundError`, `UnsupportedFormatError`, and `WalIoError`, for example if the disk is full.
 *
 * @example
 * ```ts
 * const restored = { fs, config: { dataDir: './restored' } }
 * const { logStartOffset, logEndOffset } = await copyLog({ fs, config }, restored, 'orders', 0)
 * console.log(logStartOffset, logEndOffset) // 0n 3n
 * ```
 */
export async function copyLog(
  source: CopyPlace,
  target: CopyPlace,
  topic: string,
  partition: number,
  options: CopyOptions = {},
): Promise<CopiedLog> {
  checkOptions('copyLog', options, OPTIONS)
  const { fromOffset } = options
  if (fromOffset !== undefined) checkOffset(fromOffset, 'fromOffset')
  const from = locatePartition(resolveConfig(source.config).dataDir, topic, partition)
  const to = locatePartition(resolveConfig(target.config).dataDir, topic, partition)
  return makeDirectory(target.fs, to, 'copy a log to', async (unfinished) => {
    const { segments, logStart } = await wanted(source.fs, from, fromOffset)
    let bytes = 0
    for (const { path, bytes: valid } of segments) {
      await copyFile(target.fs, { source: source.fs, from: path, to: join(unfinished, basename(path)), bytes: valid })
      bytes += valid
    }
    const first = segments[0]?.baseOffset ?? logStart
    const logStartOffset = logStart > first ? logStart : first
    if (logStartOffset > first) {
      await createLogStart(target.fs, logStartPath(unfinished), { offset: Number(logStartOffset), of: to })
    }
    await check(target.fs, { ...to, directory: unfinished }, from)
    return { logStartOffset, logEndOffset: endOf(segments, logStart), segments: segments.length, bytes }
  })
}

/** The segments to copy, and the log start offset of the source. */
async function wanted(
  fs: FileSystem,
  partition: Partition,
  fromOffset: bigint | undefined,
): Promise<{ segments: SegmentInfo[]; logStart: bigint }> {
  const { directory } = partition
  const { identity } = await statDirectory(fs, directory)
  const { segments: listed, firstOffset } = await listLog(fs, partition)
  const logStart = BigInt(firstOffset)
  // Segments before the ones that are wanted are not looked at: they may be many, and one may be damaged.
  const first = listed.findLastIndex(({ baseOffset }) => baseOffset <= (fromOffset ?? 0n))
  const context = { partition, highWatermark: () => sharedLog(identity).highWatermark }
  const segments: SegmentInfo[] = []
  for await (const segment of describeSegments(fs, listed.slice(Math.max(first, 0)), context)) segments.push(segment)
  if (fromOffset === undefined) return { segments, logStart }
  const logEnd = endOf(segments, logStart)
  if (fromOffset < logStart || fromOffset > logEnd) {
    throw new OffsetOutOfRangeError({ path: directory, offset: fromOffset, firstOffset: logStart, nextOffset: logEnd })
  }
  return { segments, logStart }
}

function endOf(segments: readonly SegmentInfo[], logStart: bigint): bigint {
  return segments.at(-1)?.nextOffset ?? logStart
}

/** Verifies every byte of a copy. Rejects with the first problem, as one of the source. */
async function check(fs: FileSystem, copy: Partition, source: Partition): Promise<void> {
  const { checkLog } = await import('./checking/log-check.ts')
  const { describeLog } = await import('./checking/log-description.ts')
  const [problem] = describeLog(await checkLog(fs, copy, () => Infinity)).problems
  if (problem === undefined) return
  throw new CorruptLogError({ ...problem, path: join(source.directory, basename(problem.path)) })
}
