/** Takes a partition for a writer, and knows as long as it is open whether the writer still has it. */
import { dirname, join } from 'node:path'
import type { FileLock, FileSystem } from '@sq/sim'
import { LockedError, LockLostError, systemCode, WalIoError } from '../../errors.ts'
import type { Partition } from '../segments/partition.ts'
import { refuseLinks } from '../segments/directory-links.ts'
import { io } from '../segments/segment-file.ts'
import { LOCK_NAME } from '../segment.ts'

export class PartitionLock {
  readonly #fs: FileSystem
  readonly #path: string
  readonly #lock: FileLock
  readonly #identity: string

  private constructor(fs: FileSystem, held: { path: string; lock: FileLock; identity: string }) {
    this.#fs = fs
    this.#path = held.path
    this.#lock = held.lock
    this.#identity = held.identity
  }

  /**
   * Makes the partition's directory if missing, takes the lock in it, and makes the names that lead there durable.
   * Rejects with `LockedError` while another writer has it, with `LockLostError` where the lock file was replaced while
   * it was being locked, and with `WalIoError`.
   */
  static async take(fs: FileSystem, dataDir: string, { topic, directory }: Partition): Promise<PartitionLock> {
    await refuseLinks(fs, directory)
    await io('make the directory', directory, () => fs.mkdir(directory))
    const path = join(directory, LOCK_NAME)
    const lock = await takeLock(fs, path)
    try {
      await syncParents(fs, dataDir, topic)
      // The path may lead to another file by now. Only where the file system does not tell which one is locked, the
      // path is asked.
      const identity = lock.identity ?? (await io('look at', path, () => fs.stat(path))).identity
      const taken = new PartitionLock(fs, { path, lock, identity })
      await taken.check()
      return taken
    } catch (error) {
      await giveUp(lock)
      throw error
    }
  }

  /**
   * Rejects with `LockLostError` unless the locked file still has its name: where it, or a directory above it, was
   * removed or replaced, another writer may have what has the name now.
   */
  async check(): Promise<void> {
    const found = await this.#fs.stat(this.#path).catch((error: unknown) => {
      if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return null
      throw new WalIoError('look at', this.#path, error)
    })
    if (found?.identity !== this.#identity) throw new LockLostError(this.#path)
  }

  /** Lets another writer have the partition. */
  release(): Promise<void> {
    return giveUp(this.#lock)
  }
}

/** Whatever releasing a lock says, its descriptor is closed, and the kernel's lock is gone with it. */
async function giveUp(lock: FileLock): Promise<void> {
  await lock.release().catch(() => {})
}

async function takeLock(fs: FileSystem, path: string): Promise<FileLock> {
  try {
    return await fs.lock(path)
  } catch (error) {
    throw systemCode(error) === 'ELOCKED' ? new LockedError(path, error) : new WalIoError('lock', path, error)
  }
}

/** Makes the names that lead to the partition durable, whoever made them: a process may have died before it did. */
async function syncParents(fs: FileSystem, dataDir: string, topic: string): Promise<void> {
  for (const path of [join(dataDir, topic), dataDir, dirname(dataDir)]) {
    await io('sync the directory', path, () => fs.syncDirectory(path))
  }
}
