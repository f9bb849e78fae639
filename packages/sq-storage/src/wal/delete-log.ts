/** Deletes a log: its directory is renamed to a name that no partition can have, and then removed. */
import { join } from 'node:path'
import type { FileSystem } from '@sq/sim'
import { resolveConfig } from '../config.ts'
import type { WalConfig } from '../config.ts'
import { LogNotFoundError, WalIoError } from '../errors.ts'
import { isLogFileName } from './segment.ts'
import { refuseLinks } from './segments/directory-links.ts'
import { io } from './segments/log-file.ts'
import { locatePartition } from './segments/partition.ts'
import type { Partition } from './segments/partition.ts'
import { listNames } from './segments/segment-listing.ts'
import { PartitionLock, syncDirectory } from './writing/partition-directory.ts'
import {
  clearTemporaryDirectory,
  removeEmptyDirectory,
  removeLogDirectory,
  temporaryDirectory,
} from './writing/temporary-directory.ts'

/**
 * Deletes a partition's log for good, with what repairs quarantined of it. After a crash the log is whole, or it is
 * gone: it is gone once its directory has its temporary name, `{partition}.tmp`, durably. What is left there then is
 * removed by the next `deleteLog` or `WalWriter.open` of the partition. The directory of the topic is removed, too, if
 * nothing else is in it, also while another partition is created there. A log that is created in its place begins at
 * offset 0.
 *
 * Readers that are inside a segment read to its end, and then get a `LogNotFoundError`, as tailing readers do.
 *
 * Rejects with a `TypeError` or `RangeError` for a bad config, topic or partition; with `LogNotFoundError` if there is
 * no log and nothing is left of one; with `LockedError` while a writer has it open; and with `WalIoError` with the code
 * `ENOTEMPTY` if there are files in its directory that are not the log's. The log is unchanged in all these cases.
 * After another `WalIoError` or a `LockLostError` it is whole or gone: call it again, and it completes the deletion.
 *
 * @example
 * ```ts
 * await writer.close()
 * await deleteLog(fs, config, 'orders', 0)
 * console.log(await listPartitions(fs, config)) // []
 * ```
 */
export async function deleteLog(fs: FileSystem, config: WalConfig, topic: string, partition: number): Promise<void> {
  const { dataDir } = resolveConfig(config)
  const located = locatePartition(dataDir, topic, partition)
  const found = await refuseLinks(fs, located.directory)
  if (found?.kind === 'directory') await remove(fs, dataDir, located)
  else if (!(await clearTemporaryDirectory(fs, located))) throw new LogNotFoundError(located.directory)
  if (await removeEmptyDirectory(fs, join(dataDir, topic))) await syncDirectory(fs, dataDir)
}

async function remove(fs: FileSystem, dataDir: string, located: Partition): Promise<void> {
  const { directory } = located
  const lock = await PartitionLock.take(fs, dataDir, located, { create: false })
  try {
    await clearTemporaryDirectory(fs, located)
    await refuseOtherFiles(fs, directory)
    await lock.check()
    const temporary = temporaryDirectory(located)
    await io('rename the log to', temporary, () => fs.rename(directory, temporary))
    await removeLogDirectory(fs, temporary)
  } finally {
    await lock.release()
  }
}

/** Rejects with a `WalIoError` if anything in the directory of a log is not the log's. */
async function refuseOtherFiles(fs: FileSystem, directory: string): Promise<void> {
  const others: string[] = []
  for (const name of await listNames(fs, directory)) {
    if (!isLogFileName(name) || (await isDirectory(fs, join(directory, name)))) others.push(name)
  }
  if (others.length === 0) return
  const named = others.slice(0, MAX_NAMED).join(', ')
  const more = others.length > MAX_NAMED ? ` and ${others.length - MAX_NAMED} more` : ''
  const message = `ENOTEMPTY: it also has ${named}${more}, which the log did not make; remove or move that first`
  const cause = Object.assign(new Error(message), { code: 'ENOTEMPTY', path: directory })
  throw new WalIoError('delete the log in', directory, cause)
}

/** The most names in an error. */
const MAX_NAMED = 3

async function isDirectory(fs: FileSystem, path: string): Promise<boolean> {
  return (await io('look at', path, () => fs.stat(path))).kind === 'directory'
}
