/** Takes a partition for a writer: its directory, made durable with all that lead to it, and its lock. */
import { dirname, join, resolve } from 'node:path'
import type { FileLock, FileSystem } from '@sq/sim'
import { LockedError, systemCode, WalIoError } from '../errors.ts'
import type { Partition } from './partition.ts'
import { io } from './segment-file.ts'
import { LOCK_NAME } from './segment.ts'

/**
 * Makes the partition's directory if missing, takes the lock in it, and makes the names that lead there durable. Rejects
 * with `LockedError` while another writer has it, and with `WalIoError`.
 */
export async function lockPartition(fs: FileSystem, dataDir: string, { topic, directory }: Partition): Promise<FileLock> {
  await io('make the directory', directory, () => fs.mkdir(directory))
  const lock = await takeLock(fs, join(directory, LOCK_NAME))
  try {
    await syncParents(fs, dataDir, topic)
  } catch (error) {
    await lock.release()
    throw error
  }
  return lock
}

async function takeLock(fs: FileSystem, path: string): Promise<FileLock> {
  try {
    return await fs.lock(path)
  } catch (error) {
    throw systemCode(error) === 'ELOCKED' ? new LockedError(path, error) : new WalIoError('lock', path, error)
  }
}

/**
 * Makes the names that lead to the partition durable, whoever made them: a process may have died before it did. A
 * parent of the data directory that this process may not read is left to whoever made the data directory there.
 */
async function syncParents(fs: FileSystem, dataDir: string, topic: string): Promise<void> {
  for (const path of [join(dataDir, topic), dataDir]) {
    await io('sync the directory', path, () => fs.syncDirectory(path))
  }
  const parent = dirname(resolve(dataDir))
  try {
    await fs.syncDirectory(parent)
  } catch (error) {
    if (systemCode(error) !== 'EACCES') throw new WalIoError('sync the directory', parent, error)
  }
}
