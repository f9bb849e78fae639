/**
 * The temporary directory of a partition, `{partition}.tmp`: a log that is being deleted, or a checkpoint or copy that
 * is being made. No partition can have this name, and no log is looked for there. What is left of it after a crash is removed
 * later.
 */
import { dirname, join } from 'node:path'
import type { FileSystem } from '@sq/sim'
import { systemCode, WalError, WalIoError } from '../../errors.ts'
import { isLogFileName, LOCK_NAME } from '../segment.ts'
import { refuseLinks, statUnlessLink } from '../segments/directory-links.ts'
import { io } from '../segments/log-file.ts'
import type { Partition } from '../segments/partition.ts'
import { isMissing } from '../segments/segment-listing.ts'
import { giveUp, syncDirectory, takeLock } from './partition-directory.ts'

/** The path of the temporary directory. */
export function temporaryDirectory({ directory }: Partition): string {
  return `${directory}.tmp`
}

/**
 * Removes the temporary directory of a partition durably, if there is one, and resolves with whether there was. Rejects
 * with `LockedError` while another is at work in it, and with `WalIoError`; it can be called again then.
 */
export async function clearTemporaryDirectory(fs: FileSystem, partition: Partition): Promise<boolean> {
  const path = temporaryDirectory(partition)
  if ((await statUnlessLink(fs, path))?.kind !== 'directory') return false
  const lock = await takeLock(fs, path)
  try {
    await removeLogDirectory(fs, path)
  } finally {
    await giveUp(lock)
  }
  return true
}

/**
 * Does so for a writer that opens its log: what is left takes space and does no other harm. So a failure is no reason
 * not to open the log, and the next writer tries again.
 */
export async function clearLeftovers(fs: FileSystem, partition: Partition): Promise<void> {
  await clearTemporaryDirectory(fs, partition).catch(unlessWalError)
}

function unlessWalError(error: unknown): void {
  if (!(error instanceof WalError)) throw error
}

/**
 * Removes a directory with the files of a log in it, durably. The caller holds its lock. Files that are not those of a
 * log stay, and the directory with them.
 */
export async function removeLogDirectory(fs: FileSystem, path: string): Promise<void> {
  const parent = dirname(path)
  // Until the rename to this name is durable, a crash makes this the directory of the log again.
  await syncDirectory(fs, parent)
  const names = await io('list', path, () => fs.readdir(path))
  for (const name of names) if (isLogFileName(name) && name !== LOCK_NAME) await removeFile(fs, join(path, name))
  // The lock goes last: as long as it is there, no other process works here.
  await removeFile(fs, join(path, LOCK_NAME))
  await removeEmptyDirectory(fs, path)
  await syncDirectory(fs, parent)
}

async function removeFile(fs: FileSystem, path: string): Promise<void> {
  await io('remove', path, () => fs.unlink(path)).catch((error: unknown) => {
    if (!isMissing(error)) throw error
  })
}

/** The codes for a directory that is not empty, that is gone, that is mounted, or that belongs to another user. */
const STAYS: ReadonlySet<string | undefined> = new Set(['ENOTEMPTY', 'EEXIST', 'ENOENT', 'EBUSY', 'EACCES', 'EPERM'])

/** Removes a directory if it is empty and this process may remove it. Resolves with whether it has removed it. */
export async function removeEmptyDirectory(fs: FileSystem, path: string): Promise<boolean> {
  try {
    await fs.rmdir(path)
    return true
  } catch (error) {
    if (STAYS.has(systemCode(error))) return false
    throw new WalIoError('remove the directory', path, error)
  }
}

/**
 * Runs an action with the empty temporary directory of a partition, whose lock is held meanwhile, and removes what is
 * left of it. The directories above it are created durably. The action may rename it away.
 */
export async function withTemporaryDirectory<T>(
  fs: FileSystem,
  partition: Partition,
  action: (path: string) => Promise<T>,
): Promise<T> {
  await clearTemporaryDirectory(fs, partition)
  const path = temporaryDirectory(partition)
  await io('make the directory', path, () => fs.mkdir(path))
  const lock = await takeLock(fs, path)
  try {
    return await action(path)
  } finally {
    // The result of the action counts: what is left takes space, and is removed later.
    await removeLogDirectory(fs, path).catch(unlessWalError)
    await giveUp(lock)
  }
}

/**
 * Makes the directory of a partition in one step: fills it under its temporary name and renames it durably. Rejects with
 * a `WalIoError` with the code `EEXIST`, and changes nothing, if there is anything of its name. `attempt` says in that
 * error what was tried.
 */
export async function makeDirectory<T>(
  fs: FileSystem,
  partition: Partition,
  attempt: string,
  fill: (path: string) => Promise<T>,
): Promise<T> {
  const { directory } = partition
  await refuseExisting(fs, directory, attempt)
  return withTemporaryDirectory(fs, partition, async (unfinished) => {
    const result = await fill(unfinished)
    await syncDirectory(fs, unfinished)
    await refuseExisting(fs, directory, attempt)
    await io('rename the new log to', directory, () => fs.rename(unfinished, directory))
    await syncDirectory(fs, dirname(directory))
    return result
  })
}

async function refuseExisting(fs: FileSystem, path: string, attempt: string): Promise<void> {
  if ((await refuseLinks(fs, path)) === null) return
  const cause = Object.assign(
    new Error('EEXIST: it exists already; choose another data directory, or remove it first'),
    { code: 'EEXIST', path },
  )
  throw new WalIoError(attempt, path, cause)
}
