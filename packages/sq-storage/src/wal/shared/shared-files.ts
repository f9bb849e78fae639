/**
 * The segment files that the readers of one thread have open: each once, for all who read it. `shared-log.ts` has one
 * of these for each log; what readers open, `segment-file.ts` verifies.
 */
import type { FileSystem } from '@sq/sim'
import type { Partition } from '../segments/partition.ts'
import { openSegment } from '../segments/segment-file.ts'
import type { OpenSegment, SegmentHead } from '../segments/segment-file.ts'
import type { ListedSegment } from '../segments/segment-listing.ts'

/** A segment that is open, perhaps for others as well. */
export interface HeldSegment extends OpenSegment {
  /** Lets it go, once: the file is closed when nobody holds it any more. Never rejects. */
  release(): Promise<void>
}

export class SharedFiles {
  /** By path, the file that was opened by it last: for each file system, since one may do more than another. */
  readonly #files = new WeakMap<FileSystem, Map<string, SharedFile>>()

  /**
   * A segment's file as its path leads to it by now, with its verified head. Rejects as `openSegment` does. A file that
   * was removed or replaced stays open for those who hold it, and is given to nobody else.
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

  /** The head of a segment, for what it states of the one before it. */
  async head(fs: FileSystem, segment: ListedSegment, partition: Partition): Promise<SegmentHead> {
    const held = await this.hold(fs, segment, partition)
    await held.release()
    return held.head
  }
}

/** A file that is open, or about to be. */
class SharedFile {
  readonly opened: Promise<OpenSegment>
  /** How many hold it, or want to: the first is who opens it. */
  holders = 1
  #identity: Promise<string> | null = null

  constructor(opened: Promise<OpenSegment>) {
    this.opened = opened
  }

  /** Holds the file for one more, and gives it if the path leads to it; null where it does not, or nobody can tell. */
  async share(fs: FileSystem, path: string): Promise<OpenSegment | null> {
    this.holders++
    try {
      const opened = await this.opened
      // Asked of the file once, and of its path each time: as long as the file is open no other one has its identity.
      this.#identity ??= opened.handle.identity()
      const [identity, stat] = await Promise.all([this.#identity, fs.stat(path)])
      return identity === stat.identity ? opened : null
    } catch {
      // Who opens it now hears what is wrong.
      return null
    }
  }
}
