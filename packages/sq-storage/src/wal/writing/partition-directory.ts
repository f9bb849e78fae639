/**
 * The names in a partition's directory, changed one at a time: no change is begun while an earlier one is not known to
 * be durable, so a power cut leaves the state before or after one change and never a mixture of two.
 */
import { join } from 'node:path'
import type { FileSystem } from '@sq/sim'
import { LogNotFoundError, systemCode, WalIoError } from '../../errors.ts'
import type { PartitionLock } from './partition-lock.ts'
import { io } from '../segments/segment-file.ts'
import { UNFINISHED_NAME } from '../segment.ts'

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
    await io('sync the directory', this.path, () => this.fs.syncDirectory(this.path))
    this.#unsynced = false
  }

  /** Gives the unfinished segment its name, durably. Replaces a segment of that name. */
  finish(path: string): Promise<void> {
    return this.#change(() => io('rename the new segment to', path, () => this.fs.rename(this.unfinishedPath, path)))
  }

  /** Gives a segment a name under which it is no part of the log, durably. */
  setAside(path: string, to: string): Promise<void> {
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
    try {
      await this.fs.unlink(this.unfinishedPath)
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') await io('remove', this.unfinishedPath, () => Promise.reject(error))
    }
  }
}
