/**
 * The connection of one iteration to the log that it reads: the state shared in this thread, a watch if there is no
 * writer here, and the truncations that it has seen. If the path leads to a different directory, the iteration gets a
 * new attachment.
 */
import type { FileSystem } from '@sq/sim'
import { io } from '../segments/log-file.ts'
import type { Partition } from '../segments/partition.ts'
import { statDirectory } from '../segments/segment-file.ts'
import { sharedLog } from '../shared/shared-log.ts'
import type { SharedLog } from '../shared/shared-log.ts'

/** The path of a log leads to a different directory than before, so what was found there may belong to another log. */
export class DirectoryReplaced extends Error {
  override readonly name = 'DirectoryReplaced'
}

export class LogAttachment {
  readonly shared: SharedLog
  readonly #identity: string
  #follows: boolean
  /** The number of truncations that this iteration has seen. */
  #cutsSeen: number
  #stopWatching: (() => void) | null = null

  private constructor(identity: string, { follows }: { follows: boolean }) {
    this.shared = sharedLog(identity)
    this.#identity = identity
    this.#follows = follows
    this.#cutsSeen = this.shared.cuts.length
    if (follows) this.shared.follow()
    else this.shared.expectReads()
  }

  /**
   * Attaches to the log that is at this path now. Rejects with `LogNotFoundError` if there is none, and with
   * `WalIoError`.
   */
  static async to(fs: FileSystem, { directory }: Partition, options: { follows: boolean }): Promise<LogAttachment> {
    const { identity } = await statDirectory(fs, directory)
    return new LogAttachment(identity, options)
  }

  /** Rejects with `DirectoryReplaced` if the path leads to a different directory now, and otherwise as `to` does. */
  async check(fs: FileSystem, { directory }: Partition): Promise<void> {
    const { identity } = await statDirectory(fs, directory)
    if (identity !== this.#identity) throw new DirectoryReplaced(directory)
  }

  /** Whether the log was truncated since `takeCut`. */
  get isCut(): boolean {
    return this.shared.cuts.length > this.#cutsSeen
  }

  /** The smallest offset of the truncations that were not seen yet. */
  takeCut(): number {
    const cut = Math.min(...this.shared.cuts.slice(this.#cutsSeen))
    this.#cutsSeen = this.shared.cuts.length
    return cut
  }

  /** Whether every change causes a notification: a writer of this thread notifies, or the directory is watched. */
  get isTold(): boolean {
    const isWriterHere = this.shared.highWatermark !== Infinity
    if (isWriterHere) this.#endWatch()
    return isWriterHere || this.#stopWatching !== null
  }

  async watch(fs: FileSystem, { directory }: Partition): Promise<void> {
    try {
      this.#stopWatching = await io('watch', directory, () => this.shared.watch(fs, directory))
    } catch (error) {
      // If the directory no longer exists, that is the error to report.
      await statDirectory(fs, directory)
      throw error
    }
  }

  /** Nothing is watched, and no commit is kept for this iteration alone, until `resume`. */
  pause(): void {
    this.shared.expectReads()
    this.detach()
  }

  /** Follows the log again. */
  resume(): void {
    this.#follows = true
    this.shared.follow()
  }

  detach(): void {
    this.#endWatch()
    if (this.#follows) this.shared.unfollow()
    this.#follows = false
  }

  #endWatch(): void {
    this.#stopWatching?.()
    this.#stopWatching = null
  }
}
