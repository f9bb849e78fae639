/**
 * The segment files that the readers of one thread have open: each file once, for all of its readers. `shared-log.ts`
 * has one instance for each log; `segment-file.ts` verifies what is opened.
 */
import type { FileSystem } from '@sq/sim'
import type { Partition } from '../segments/partition.ts'
import { openSegment } from '../segments/segment-file.ts'
import type { OpenSegment, SegmentHead } from '../segments/segment-file.ts'
import type { ListedSegment } from '../segments/segment-listing.ts'

/** An open segment that other readers may share. */
export interface HeldSegment extends OpenSegment {
  /** Releases it. The file is closed when nobody holds it any more. Call it once. Never rejects. */
  release(): Promise<void>
}

export class SharedFiles {
  /** By path, the file that was opened last; separately for each file system, since they may behave differently. */
  readonly #files = new WeakMap<FileSystem, Map<string, SharedFile>>()

  /**
   * The file of a segment that its path leads to now, with its verified head. Rejects as `openSegment` does. A file
   * that was removed or replaced stays open for its holders, and is not handed out again.
   */
  async hold(fs: FileSystem, segment: ListedSegment, partition: Partition): Promise<HeldSegment> {
    const { path } = segment
    const files = this.#files.get(fs) ?? new Map<string, SharedFile>()
    this.#files.set(fs, files)
    const release = async (file: SharedFile): Promise<void> => {
      if (--file.holders > 0) return
      if (files.get(path) === file) files.delete(path)
      const opened = await file.opened.catch(() => null)
      if (opened !== null) await opened.handle.close()
    }
    const held = (file: SharedFile, { handle, head }: OpenSegment): HeldSegment => {
      return { handle, head, release: () => release(file) }
    }
    for (let known = files.get(path); known !== undefined; known = files.get(path)) {
      const opened = await known.share(fs, path)
      if (opened !== null) return held(known, opened)
      await release(known)
      if (files.get(path) === known) files.delete(path)
    }
    const file = new SharedFile(openSegment(fs, segment, { partition, mode: 'read' }))
    files.set(path, file)
    try {
      return held(file, await file.opened)
    } catch (error) {
      await release(file)
      throw error
    }
  }

  /** The head of a segment, for what it states about the segment before it. */
  async head(fs: FileSystem, segment: ListedSegment, partition: Partition): Promise<SegmentHead> {
    const held = await this.hold(fs, segment, partition)
    await held.release()
    return held.head
  }
}

/** A file that is open or being opened. */
class SharedFile {
  readonly opened: Promise<OpenSegment>
  /** The number of holders, including the one that opens it. */
  holders = 1
  #identity: Promise<string> | null = null

  constructor(opened: Promise<OpenSegment>) {
    this.opened = opened
  }

  /** Adds a holder, and returns the file if the path still leads to it; null if it does not or if that is unknown. */
  async share(fs: FileSystem, path: string): Promise<OpenSegment | null> {
    this.holders++
    try {
      const opened = await this.opened
      // The identity of the open file is read once, and that at its path each time: no other file can have it meanwhile.
      this.#identity ??= opened.handle.identity()
      const [identity, stat] = await Promise.all([this.#identity, fs.stat(path)])
      return identity === stat.identity ? opened : null
    } catch {
      // The caller opens the file itself and gets the error.
      return null
    }
  }
}
