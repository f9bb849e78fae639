/** A partition's directory as its writer has it: the lock, and the names in it. */
import { dirname, join } from 'node:path'
import type { FileLock, FileSystem } from '@sq/sim'
import { LockedError, LockLostError, LogNotFoundError, systemCode, WalIoError } from '../../errors.ts'
import { LOCK_NAME, UNFINISHED_NAME } from '../segment.ts'
import { refuseLinks } from '../segments/directory-links.ts'
import { io } from '../segments/log-file.ts'
import type { Partition } from '../segments/partition.ts'
import { isMissing } from '../segments/segment-listing.ts'

/**
 * The names in a partition's directory, changed one at a time: no change is begun while an earlier one is not known to
 * be durable, so a power cut leaves the state before or after one change and never a mixture of two.
 */
export class SegmentDirectory {
  readonly fs: FileSystem
  readonly path: string
  /** True from the start: a process that died may have left a change that is visible and not durable. */
  #unsynced = true

  readonly #lock: Pick<PartitionLock, 'check'>

  constructor(fs: FileSystem, path: string, lock: Pick<PartitionLock, 'check'>) {
    this.fs = fs
    this.path = path
    this.#lock = lock
  }

  /** Rejects with `LockLostError` where the names here are no longer this writer's to change. */
  checkLock(): Promise<void> {
    return this.#lock.check()
  }

  /**
   * Does something for which the directory must be there. Where it is gone, so is the lock in it: rejects with
   * `LockLostError` then, and never with `LogNotFoundError`.
   */
  async whileThere<T>(action: () => Promise<T>): Promise<T> {
    try {
      return await action()
    } catch (error) {
      if (!(error instanceof LogNotFoundError)) throw error
      await this.checkLock()
      throw new WalIoError('look at', this.path, error)
    }
  }

  /** The path of the segment being made. */
  get unfinishedPath(): string {
    return join(this.path, UNFINISHED_NAME)
  }

  /** Makes the change before this one durable; latched only on success, so that a failed sync is tried again. */
  async sync(): Promise<void> {
    if (!this.#unsynced) return
    await syncDirectory(this.fs, this.path)
    this.#unsynced = false
  }

  /** Gives the unfinished segment its name, durably. Replaces a segment of that name. */
  finish(path: string): Promise<void> {
    return this.#change(() => io('rename the new segment to', path, () => this.fs.rename(this.unfinishedPath, path)))
  }

  /** Gives a segment a name under which it is no part of the log, durably. */
  quarantine(path: string, to: string): Promise<void> {
    return this.#change(() => io('set aside', path, () => this.fs.rename(path, to)))
  }

  /** Removes a segment's name, durably. */
  remove(path: string): Promise<void> {
    return this.#change(() => io('remove', path, () => this.fs.unlink(path)))
  }

  async #change(change: () => Promise<void>): Promise<void> {
    await this.sync()
    await this.checkLock()
    this.#unsynced = true
    await change()
    await this.sync()
  }

  /** Removes what is left of a segment that was being made. Its name means nothing, so nothing waits for it. */
  async removeUnfinished(): Promise<void> {
    await this.checkLock()
    const path = this.unfinishedPath
    await io('remove', path, () => this.fs.unlink(path)).catch((error: unknown) => {
      if (!isMissing(error)) throw error
    })
  }
}

/** Takes a partition for a writer, and knows as long as it is open whether the writer still has it. */
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
    await syncDirectory(fs, path)
  }
}

function syncDirectory(fs: FileSystem, path: string): Promise<void> {
  return io('sync the directory', path, () => fs.syncDirectory(path))
}
