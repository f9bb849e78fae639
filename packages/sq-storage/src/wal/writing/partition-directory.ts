/** The directory of a partition for its writer: the lock, and the names in it. */
import { dirname, join } from 'node:path'
import type { FileLock, FileSystem } from '@sq/sim'
import { LockedError, LockLostError, LogNotFoundError, systemCode, WalIoError } from '../../errors.ts'
import { LOCK_NAME, UNFINISHED_NAME } from '../segment.ts'
import { refuseLinks } from '../segments/directory-links.ts'
import { io } from '../segments/log-file.ts'
import type { Partition } from '../segments/partition.ts'
import { isMissing } from '../segments/segment-listing.ts'

/**
 * The names in the directory of a partition, changed one at a time. No change begins while an earlier one may not be
 * durable, so a power cut leaves the state before or after one change, and never a mixture of two.
 */
export class SegmentDirectory {
  readonly fs: FileSystem
  readonly path: string
  /**
   * Counts each change when it begins and when it ends. The first is for a process that died and may have left a change
   * that is visible but not durable.
   */
  #changes = 1
  /** The part of these that is durable. */
  #durableChanges = 0

  readonly #lock: Pick<PartitionLock, 'check'>

  constructor(fs: FileSystem, path: string, lock: Pick<PartitionLock, 'check'>) {
    this.fs = fs
    this.path = path
    this.#lock = lock
  }

  /** Rejects with `LockLostError` if this writer may no longer change names here. */
  checkLock(): Promise<void> {
    return this.#lock.check()
  }

  /**
   * Runs an action that needs the directory. If the directory is gone, so is the lock in it: rejects with
   * `LockLostError` then, and never with `LogNotFoundError` or because a file is not found.
   */
  async whileThere<T>(action: () => Promise<T>): Promise<T> {
    try {
      return await action()
    } catch (error) {
      const isGone = error instanceof LogNotFoundError
      if (isGone || isMissing(error)) await this.checkLock()
      throw isGone ? new WalIoError('look at', this.path, error) : error
    }
  }

  /** The temporary path of a segment that is being created. */
  get unfinishedPath(): string {
    return join(this.path, UNFINISHED_NAME)
  }

  /**
   * Makes the previous change durable. Recorded only on success, so a failed sync is tried again. A change that is made
   * meanwhile needs another one.
   */
  async sync(): Promise<void> {
    const changes = this.#changes
    if (changes === this.#durableChanges) return
    await syncDirectory(this.fs, this.path)
    this.#durableChanges = Math.max(this.#durableChanges, changes)
  }

  /** Renames the new segment from its temporary name, durably. Replaces a segment of that name. */
  finish(path: string): Promise<void> {
    return this.#change(() => io('rename the new segment to', path, () => this.fs.rename(this.unfinishedPath, path)))
  }

  /** Renames a segment out of the log, durably. */
  quarantine(path: string, to: string): Promise<void> {
    return this.#change(() => io('quarantine', path, () => this.fs.rename(path, to)))
  }

  /** Renames a segment, durably. */
  rename(path: string, to: string): Promise<void> {
    return this.#change(() => io('rename', path, () => this.fs.rename(path, to)))
  }

  /** Removes a segment, durably. */
  async remove(path: string): Promise<void> {
    await this.unlink(path)
    await this.sync()
  }

  /**
   * Removes a segment, not durably yet: call `sync`. One that is gone already was removed by a call that failed all the
   * same.
   */
  unlink(path: string): Promise<void> {
    return this.#begin(() =>
      io('remove', path, () => this.fs.unlink(path)).catch((error: unknown) => {
        if (!isMissing(error)) throw error
      }),
    )
  }

  async #change(change: () => Promise<void>): Promise<void> {
    await this.#begin(change)
    await this.sync()
  }

  async #begin(change: () => Promise<void>): Promise<void> {
    await this.sync()
    await this.checkLock()
    this.#changes++
    try {
      await change()
    } finally {
      // A sync that began during the change may not cover it.
      this.#changes++
    }
  }

  /**
   * Removes the rest of a segment that was being created. Files with its temporary name are ignored, so this need not
   * be durable.
   */
  async removeUnfinished(): Promise<void> {
    await this.checkLock()
    const path = this.unfinishedPath
    await io('remove', path, () => this.fs.unlink(path)).catch((error: unknown) => {
      if (!isMissing(error)) throw error
    })
  }
}

/** The lock of a writer on a partition. While the partition is open, it can tell whether the writer still holds it. */
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
   * Takes the lock in the directory of the partition, and makes the names above it durable. With `create`, it creates
   * the directory if missing. Rejects with `LogNotFoundError` if it is missing otherwise, with `LockedError` while
   * another writer holds the lock, with `LockLostError` if the lock file was replaced while it was being locked, and
   * with `WalIoError`.
   */
  static async take(
    fs: FileSystem,
    dataDir: string,
    { topic, directory }: Partition,
    { create }: { create: boolean },
  ): Promise<PartitionLock> {
    await refuseLinks(fs, directory)
    const path = join(directory, LOCK_NAME)
    const lock = create ? await takeNewLock(fs, directory) : await takeExistingLock(fs, directory)
    try {
      await syncParents(fs, dataDir, topic)
      // The path may lead to a different file now, so it is used only if the file system does not tell which file is
      // locked.
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
   * Rejects with `LockLostError` unless the locked file still has its name. If it or a directory above it was removed
   * or replaced, another writer may hold the file that has the name now.
   */
  async check(): Promise<void> {
    const found = await this.#fs.stat(this.#path).catch((error: unknown) => {
      if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return null
      throw new WalIoError('look at', this.#path, error)
    })
    if (found?.identity !== this.#identity) throw new LockLostError(this.#path)
  }

  /** Releases the partition for another writer. */
  release(): Promise<void> {
    return giveUp(this.#lock)
  }
}

/** The result of the release does not matter: the descriptor is closed, and with it the lock of the kernel is gone. */
export async function giveUp(lock: FileLock): Promise<void> {
  await lock.release().catch(() => {})
}

/** How often a directory may be removed, by deletions of logs in other processes, before there is a lock in it. */
const MAX_ATTEMPTS = 16

async function takeNewLock(fs: FileSystem, directory: string): Promise<FileLock> {
  for (let attempt = 1; ; attempt++) {
    try {
      await io('make the directory', directory, () => fs.mkdir(directory))
      return await takeLock(fs, directory)
    } catch (error) {
      if (!isMissing(error) || attempt === MAX_ATTEMPTS) throw error
    }
  }
}

async function takeExistingLock(fs: FileSystem, directory: string): Promise<FileLock> {
  try {
    return await takeLock(fs, directory)
  } catch (error) {
    throw isMissing(error) ? new LogNotFoundError(directory) : error
  }
}

/** Locks a directory that has the files of a log. Rejects with `LockedError` while another holds the lock. */
export async function takeLock(fs: FileSystem, directory: string): Promise<FileLock> {
  const path = join(directory, LOCK_NAME)
  try {
    return await fs.lock(path)
  } catch (error) {
    throw systemCode(error) === 'ELOCKED' ? new LockedError(path, error) : new WalIoError('lock', path, error)
  }
}

/**
 * Makes the names above the partition durable, also those that it did not create: a process may have died before its
 * sync.
 */
async function syncParents(fs: FileSystem, dataDir: string, topic: string): Promise<void> {
  for (const path of [join(dataDir, topic), dataDir, dirname(dataDir)]) {
    await syncDirectory(fs, path)
  }
}

/** Makes the names in a directory durable. */
export function syncDirectory(fs: FileSystem, path: string): Promise<void> {
  return io('sync the directory', path, () => fs.syncDirectory(path))
}
