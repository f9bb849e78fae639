/**
 * Keeps segments that are taken out of a log, as files beside it that no reader or writer looks at. Each step is
 * durable before the next, and no file that was kept before is replaced.
 */
import { join } from 'node:path'
import type { SegmentDirectory } from './segment-directory.ts'
import { io } from './segment-file.ts'
import type { ListedSegment } from './segment-file.ts'
import { keptName } from './segment.ts'

const CHUNK_BYTES = 256 * 1024

/** Takes a segment out of the log, whatever it holds, in one step. Returns the path that it has now. */
export async function keepInstead(directory: SegmentDirectory, segment: ListedSegment): Promise<string> {
  const path = await freePath(directory, segment)
  await directory.setAside(segment.path, path)
  return path
}

/** Copies a segment. Returns the path of the copy, which has this name only when it is whole. */
export async function keepCopy(directory: SegmentDirectory, segment: ListedSegment): Promise<string> {
  const path = await freePath(directory, segment)
  await directory.removeUnfinished()
  await copy(directory, segment.path)
  await directory.finish(path)
  return path
}

async function copy({ fs, unfinishedPath }: SegmentDirectory, from: string): Promise<void> {
  const source = await io('open', from, () => fs.open(from, 'read'))
  try {
    const target = await io('make', unfinishedPath, () => fs.open(unfinishedPath, 'create'))
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

/** A path that no file has. Nobody else makes such: the caller holds the partition's lock. */
async function freePath({ fs, path }: SegmentDirectory, { baseOffset }: ListedSegment): Promise<string> {
  const names = await io('list', path, () => fs.readdir(path))
  for (let nth = 1; ; nth++) {
    const name = keptName(baseOffset, nth)
    if (!names.includes(name)) return join(path, name)
  }
}
