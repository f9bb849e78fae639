/** Keeps a copy of logs in another directory up to date, segment by segment, and restores logs from it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { NodeFileSystem } from '@sq/sim'
import { copyLog, listSegments, LogNotFoundError, readSegmentStart } from '@sq/storage'
import type { SegmentInfo, SegmentStart } from '@sq/storage'
import { CommandError } from '../command-error.ts'
import type { Selection } from '../log-selection.ts'
import type { LocatedLog } from '../log-source.ts'
import { counted, formatBytes, printLine } from '../output.ts'
import { reportOnEachLog } from './each-log.ts'

export interface BackupOptions {
  readonly to: string
  readonly json?: boolean
}

export interface RestoreOptions {
  /** Where the logs go. */
  readonly dataDir: string
  readonly json: boolean
}

/** What a backup or a restore has copied. */
interface Copied {
  readonly topic: string
  readonly partition: number
  readonly segments: number
  readonly bytes: number
  /** The offsets of the log that was written. */
  readonly firstOffset: bigint
  readonly nextOffset: bigint
}

/** Resolves with the exit status. */
export function backup(selection: Selection, { to, json = false }: BackupOptions): Promise<number> {
  return reportOnEachLog(selection, json, {
    describe: (log) => backUp(log, to),
    json: (copied) => copied,
    write: (_log, copied) => printCopied('backed up', copied),
    statusOf: () => 0,
    isTitled: false,
  })
}

/** Resolves with the exit status. The selection is that of the backup. */
export function restore(selection: Selection, { dataDir, json }: RestoreOptions): Promise<number> {
  return reportOnEachLog(selection, json, {
    describe: (log) => copyTo(log, dataDir),
    json: (copied) => copied,
    write: (_log, copied) => printCopied('restored', copied),
    statusOf: () => 0,
    isTitled: false,
  })
}

async function printCopied(what: string, copied: Copied): Promise<void> {
  const { topic, partition, segments, bytes, firstOffset, nextOffset } = copied
  const size = `${counted(segments, 'segment')} ${what}, ${formatBytes(bytes)}`
  const offsets = firstOffset === nextOffset ? `next offset ${nextOffset}` : `offsets ${firstOffset}-${nextOffset - 1n}`
  await printLine(`${topic}/${partition}: ${size}; it has ${offsets}`)
}

async function copyTo({ fs, config, topic, partition }: LocatedLog, dataDir: string): Promise<Copied> {
  const target = { fs: new NodeFileSystem(), config: { dataDir } }
  const { segments, bytes, logStartOffset, logEndOffset } = await copyLog({ fs, config }, target, topic, partition)
  return { topic, partition, segments, bytes, firstOffset: logStartOffset, nextOffset: logEndOffset }
}

/**
 * Copies what the backup does not have yet. At every moment the backup is a log that verifies: its last segment is
 * replaced by a longer one in one step, and the segments after it are added one by one.
 */
async function backUp(log: LocatedLog, directory: string): Promise<Copied> {
  const { topic, partition } = log
  const fs = new NodeFileSystem()
  const kept = await listedIn(fs, directory, log)
  const last = kept.at(-1)
  if (last === undefined) return copyTo(log, directory)
  const same = await requireSameLog(log, last, directory)
  const isWhole = same.state !== 'active' && same.bytes === last.bytes
  // No topic has a tilde in its name.
  const temporary = await mkdtemp(join(resolve(directory), '~sq-wal-'))
  try {
    const target = { fs, config: { dataDir: temporary } }
    const copied = await copyLog(log, target, topic, partition, {
      fromOffset: isWhole ? last.nextOffset : last.baseOffset,
    })
    const added = await listedIn(fs, temporary, log)
    const home = resolve(directory, topic, String(partition))
    for (const { path } of added) {
      await fs.rename(path, join(home, basename(path)))
      await fs.syncDirectory(home)
    }
    const { logEndOffset: nextOffset } = copied
    const isUnchanged = added.length === 1 && added[0]?.nextOffset === last.nextOffset
    const amount = isUnchanged ? { segments: 0, bytes: 0 } : { segments: copied.segments, bytes: copied.bytes }
    return { topic, partition, ...amount, firstOffset: kept[0]?.baseOffset ?? 0n, nextOffset }
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}

async function listedIn(
  fs: NodeFileSystem,
  dataDir: string,
  { topic, partition }: LocatedLog,
): Promise<readonly SegmentInfo[]> {
  try {
    return await listSegments(fs, { dataDir }, topic, partition)
  } catch (error) {
    if (error instanceof LogNotFoundError) return []
    throw error
  }
}

/**
 * The segment of the log that is the last one of its backup. Rejects with a `CommandError` unless it has all records of
 * that.
 */
async function requireSameLog(log: LocatedLog, last: SegmentInfo, directory: string): Promise<SegmentInfo> {
  const name = `${log.topic}/${log.partition}`
  const segments = await listSegments(log.fs, log.config, log.topic, log.partition)
  const same = segments.find(({ baseOffset }) => baseOffset === last.baseOffset)
  const advice = 'back it up to another directory'
  const first = segments[0]?.baseOffset ?? 0n
  if (same === undefined && first > last.baseOffset) {
    throw new CommandError(
      `${name} begins at offset ${first}, but its backup in ${directory} ends before ${last.nextOffset}: the segments between them were deleted; ${advice}`,
    )
  }
  if (same !== undefined && same.nextOffset >= last.nextOffset && (await haveSameStart(log, same, last))) return same
  throw new CommandError(
    `${name} is not the log of the backup in ${directory}, or was truncated since: they differ before offset ${last.nextOffset}; ${advice}`,
  )
}

/** The start of a segment states its random id. */
async function haveSameStart(log: LocatedLog, one: SegmentInfo, other: SegmentInfo): Promise<boolean> {
  const [mine, theirs] = await Promise.all([startOf(log.fs, one), startOf(new NodeFileSystem(), other)])
  return mine.segmentId === theirs.segmentId
}

async function startOf(fs: LocatedLog['fs'], { path, bytes }: SegmentInfo): Promise<SegmentStart> {
  const file = await fs.open(path, 'read')
  try {
    return await readSegmentStart({ path, bytes, read: (buffer, at) => file.read(buffer, at) })
  } finally {
    await file.close()
  }
}
