/**
 * Keeps segments that are taken out of a log, as files beside it that no reader or writer looks at. Each step is
 * durable before the next, and no file that was kept before is replaced.
 */
import { join } from 'node:path'
import type { SegmentDirectory } from './writing/partition-directory.ts'
import { io } from './segments/segment-file.ts'
import type { ListedSegment } from './segments/segment-listing.ts'
import { isKeptName, keptName } from './segment.ts'

const CHUNK_BYTES = 256 * 1024

/** Keeps segments of one log, whose lock the caller holds: nobody else makes names of these files meanwhile. */
export class KeptSegments {
  readonly #directory: SegmentDirectory
  /** The names of kept segments, those that were there before and those made since. */
  readonly #names: Set<string>

  private constructor(directory: SegmentDirectory, names: Set<string>) {
    this.#directory = directory
    this.#names = names
  }

  /** Lists the directory, once. Rejects with `WalIoError`. */
  static async open(directory: SegmentDirectory): Promise<KeptSegments> {
    const { fs, path } = directory
    const names = await io('list', path, () => fs.readdir(path))
    return new KeptSegments(directory, new Set(names.filter(isKeptName)))
  }

  /** Takes a segment out of the log, whatever it holds, in one step. Returns the path that it has now. */
  async keepInstead(segment: ListedSegment): Promise<string> {
    const path = this.#freePath(segment)
    await this.#directory.setAside(segment.path, path)
    return path
  }

  /** Copies a segment, with owner and mode. Returns the path of the copy, which has this name only when it is whole. */
  async keepCopy(segment: ListedSegment): Promise<string> {
    const path = this.#freePath(segment)
    await this.#directory.removeUnfinished()
    await copy(this.#directory, segment.path)
    await this.#directory.finish(path)
    return path
  }

  /** A path that no file has. */
  #freePath({ baseOffset }: ListedSegment): string {
    let nth = 1
    while (this.#names.has(keptName(baseOffset, nth))) nth++
    const name = keptName(baseOffset, nth)
    this.#names.add(name)
    return join(this.#directory.path, name)
  }
}

async function copy({ fs, unfinishedPath }: SegmentDirectory, from: string): Promise<void> {
  const source = await io('open', from, () => fs.open(from, 'read'))
  try {
    const target = await io('make', unfinishedPath, () => fs.open(unfinishedPath, 'create', { like: from }))
    try {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES)
      for (let at = 0, bytesRead = CHUNK_BYTES; bytesRead === CHUNK_BYTES; at += bytesRead) {
        bytesRead = await io('read', from, () => source.read(chunk, at))
        await io('write', unfinishedPath, () => target.write([chunk.subarray(0, bytesRead)], at))
      }
      await io('sync', unfinishedPath, () => target.sync())
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}
