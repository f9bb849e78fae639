/** Keeps a copy of logs in another directory up to date, segment by segment, and restores logs from it. */
import { rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { NodeFileSystem } from '@sq/sim'
import type { FileHandle, FileLock, FileSystem } from '@sq/sim'
import { copyLog, listSegments, WalReader } from '@sq/storage'
import type { SegmentInfo } from '@sq/storage'
import { CommandError } from '../command-error.ts'
import type { Selection } from '../log-selection.ts'
import type { LocatedLog } from '../log-source.ts'
import { messageOf } from '../message-of.ts'
import { counted, formatBytes, printLine } from '../output.ts'
import { reportOnEachLog } from './each-log.ts'
import { refuseLink } from './new-log.ts'

const ADVICE = 'back it up to another directory'

const COMPARED_BYTES = 1024 * 1024

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
  const home = resolve(directory, topic, String(partition))
  const found = await fs.stat(home).catch(() => null)
  if (found === null) return copyTo(log, directory)
  const source = await log.fs.stat(resolve(log.config.dataDir, topic, String(partition))).catch(() => null)
  if (found.identity !== undefined && found.identity === source?.identity) {
    throw new CommandError(`${home} is the log itself, not a backup of it; ${ADVICE}`)
  }
  const lock = await lockBackup(fs, home)
  try {
    return await addTo(home, log, directory)
  } finally {
    await lock.release()
  }
}

/** Two backups of a log at the same time would replace what the other has copied. */
async function lockBackup(fs: NodeFileSystem, home: string): Promise<FileLock> {
  for (const path of [dirname(home), home]) await refuseLink(fs, path)
  try {
    return await fs.lock(join(home, 'lock'))
  } catch (error) {
    throw new CommandError(`cannot lock the backup ${home}: ${messageOf(error)}`)
  }
}

/** The caller holds the lock of the backup. */
async function addTo(home: string, log: LocatedLog, directory: string): Promise<Copied> {
  const { topic, partition } = log
  const fs = new NodeFileSystem()
  const kept = await listSegments(fs, { dataDir: directory }, topic, partition)
  const last = kept.at(-1)
  const from = last === undefined ? undefined : await nextToCopy(log, last, directory)
  // No partition has a tilde in its name. What an interrupted backup has left is in the way.
  const temporary = join(dirname(home), `~sq-wal-${partition}`)
  await rm(temporary, { recursive: true, force: true })
  try {
    const target = { fs, config: { dataDir: temporary } }
    const copied = await copyLog(log, target, topic, partition, from === undefined ? {} : { fromOffset: from })
    const added = await listSegments(fs, target.config, topic, partition)
    if (last === undefined) await moveLogStart(fs, join(temporary, topic, String(partition)), home)
    for (const { path } of added) {
      await fs.rename(path, join(home, basename(path)))
      await fs.syncDirectory(home)
    }
    const { logEndOffset: nextOffset } = copied
    const isUnchanged = added.length === 1 && added[0]?.nextOffset === last?.nextOffset
    const amount = isUnchanged ? { segments: 0, bytes: 0 } : { segments: copied.segments, bytes: copied.bytes }
    return { topic, partition, ...amount, firstOffset: (kept[0] ?? added[0])?.baseOffset ?? nextOffset, nextOffset }
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}

/** In a backup without records, deleted records of the first segment stay deleted. */
async function moveLogStart(fs: NodeFileSystem, from: string, to: string): Promise<void> {
  const name = 'log-start'
  if ((await fs.readdir(from)).includes(name)) await fs.rename(join(from, name), join(to, name))
}

/** From which offset to copy: with the segment that is the last one of the backup, if that is not whole. */
async function nextToCopy(log: LocatedLog, last: SegmentInfo, directory: string): Promise<bigint> {
  const same = await requireSameLog(log, last, directory)
  const isWhole = same.state !== 'active' && same.bytes === last.bytes
  const from = isWhole ? last.nextOffset : last.baseOffset
  await using reader = await WalReader.open(log.fs, log.config, log.topic, log.partition)
  const { logStartOffset } = await reader.bounds()
  if (logStartOffset <= from) return from
  // A segment is copied whole, also if its first records are deleted.
  if (!isWhole && (logStartOffset < same.nextOffset || same.state === 'active')) return logStartOffset
  throw deletedBetween(log, { first: logStartOffset, last, directory })
}

/**
 * The segment of the log that is the last one of its backup. Rejects with a `CommandError` unless it has all records of
 * that.
 */
async function requireSameLog(log: LocatedLog, last: SegmentInfo, directory: string): Promise<SegmentInfo> {
  const name = `${log.topic}/${log.partition}`
  const segments = await listSegments(log.fs, log.config, log.topic, log.partition)
  const same = segments.find(({ baseOffset }) => baseOffset === last.baseOffset)
  const first = segments[0]?.baseOffset ?? 0n
  if (same === undefined && first > last.baseOffset) {
    throw deletedBetween(log, { first, last, directory })
  }
  if (same !== undefined && same.nextOffset >= last.nextOffset && (await beginsWith(log, same, last))) return same
  throw new CommandError(
    `${name} is not the log of the backup in ${directory}, or was truncated since: they differ before offset ${last.nextOffset}; ${ADVICE}`,
  )
}

function deletedBetween(
  { topic, partition }: LocatedLog,
  { first, last, directory }: { readonly first: bigint; readonly last: SegmentInfo; readonly directory: string },
): CommandError {
  return new CommandError(
    `${topic}/${partition} begins at offset ${first}, but its backup in ${directory} ends before ${last.nextOffset}: the segments between them were deleted; ${ADVICE}`,
  )
}

/**
 * Whether a segment of the log begins with all bytes of its copy. The random id in its first bytes does not tell: a log
 * that was restored has it too, and may have gone on in another way.
 */
async function beginsWith(log: LocatedLog, segment: SegmentInfo, copy: SegmentInfo): Promise<boolean> {
  if (segment.bytes < copy.bytes) return false
  await using mine = await opened(log.fs, segment)
  await using theirs = await opened(new NodeFileSystem(), copy)
  const buffers = [new Uint8Array(COMPARED_BYTES), new Uint8Array(COMPARED_BYTES)] as const
  for (let at = 0; at < copy.bytes; at += COMPARED_BYTES) {
    const size = Math.min(COMPARED_BYTES, copy.bytes - at)
    const [one, other] = [buffers[0].subarray(0, size), buffers[1].subarray(0, size)]
    await Promise.all([mine.file.read(one, at), theirs.file.read(other, at)])
    if (Buffer.compare(one, other) !== 0) return false
  }
  return true
}

async function opened(fs: FileSystem, { path }: SegmentInfo): Promise<AsyncDisposable & { readonly file: FileHandle }> {
  const file = await fs.open(path, 'read')
  return { file, [Symbol.asyncDispose]: () => file.close() }
}
