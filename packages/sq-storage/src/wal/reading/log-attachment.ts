/**
 * What one reading has of the log that it reads: a share in what the readers and the writer of that log know in this
 * thread, a watch where there is no writer to tell, and which truncations it has heard of. A reading whose path leads to
 * another directory by now is given another one.
 */
import type { FileSystem } from '@sq/sim'
import { io } from '../segments/log-file.ts'
import type { Partition } from '../segments/partition.ts'
import { statDirectory } from '../segments/segment-file.ts'
import { sharedLog } from '../shared/shared-log.ts'
import type { SharedLog } from '../shared/shared-log.ts'

/** The path of a log leads to another directory than it did: what was found there may be of another log. */
export class DirectoryReplaced extends Error {
  override readonly name = 'DirectoryReplaced'
}

export class LogAttachment {
  readonly shared: SharedLog
  readonly #identity: string
  readonly #follows: boolean
  /** How many truncations this reading knows of. */
  #cutsSeen: number
  #stopWatching: (() => void) | null = null

  private constructor(identity: string, { follows }: { follows: boolean }) {
    this.shared = sharedLog(identity)
    this.#identity = identity
    this.#follows = follows
    this.#cutsSeen = this.shared.cuts.length
    if (follows) this.shared.follow()
  }

  /** To the log that is at this place now. Rejects with `LogNotFoundError` where there is none, with `WalIoError`. */
  static async to(fs: FileSystem, { directory }: Partition, options: { follows: boolean }): Promise<LogAttachment> {
    const { identity } = await statDirectory(fs, directory)
    return new LogAttachment(identity, options)
  }

  /** Rejects with `DirectoryReplaced` where the path leads to another directory by now, else as `to` does. */
  async check(fs: FileSystem, { directory }: Partition): Promise<void> {
    const { identity } = await statDirectory(fs, directory)
    if (identity !== this.#identity) throw new DirectoryReplaced(directory)
  }

  /** Whether the log was truncated since `takeCut`. */
  get isCut(): boolean {
    return this.shared.cuts.length > this.#cutsSeen
  }

  /** The smallest offset of the truncations that were not heard of yet. */
  takeCut(): number {
    const cut = Math.min(...this.shared.cuts.slice(this.#cutsSeen))
    this.#cutsSeen = this.shared.cuts.length
    return cut
  }

  /** Whether all that happens is told: a writer of this thread tells of all it does; else the directory is watched. */
  get isTold(): boolean {
    const isWriterHere = this.shared.highWatermark !== Infinity
    if (isWriterHere) this.#endWatch()
    return isWriterHere || this.#stopWatching !== null
  }

  async watch(fs: FileSystem, { directory }: Partition): Promise<void> {
    try {
      this.#stopWatching = await io('watch', directory, () => this.shared.watch(fs, directory))
    } catch (error) {
      // Where there is no directory any more, that is what is wrong.
      await statDirectory(fs, directory)
      throw error
    }
  }

  detach(): void {
    this.#endWatch()
    if (this.#follows) this.shared.unfollow()
  }

  #endWatch(): void {
    this.#stopWatching?.()
    this.#stopWatching = null
  }
}
