/** The names and sizes of the segment files of a log. Other files in its directory are ignored. */
import { join } from 'node:path'
import type { FileSystem } from '@sq/sim'

/** How many files are examined at a time. */
const MAX_TOGETHER = 32

/** The paths of the segments in a directory, in the order of their base offsets. */
export async function segmentFiles(fs: FileSystem, directory: string): Promise<string[]> {
  const names = await fs.readdir(directory)
  const segments = names.filter((name) => /^\d{20}\.wal$/.test(name)).toSorted()
  return segments.map((name) => join(directory, name))
}

/** The total size of the segments in a directory. Segments that are deleted meanwhile do not count. */
export async function sizeOfSegments(fs: FileSystem, directory: string): Promise<number> {
  const paths = await segmentFiles(fs, directory).catch(() => [])
  let sizeBytes = 0
  for (let at = 0; at < paths.length; at += MAX_TOGETHER) {
    const some = paths.slice(at, at + MAX_TOGETHER)
    const stats = await Promise.all(some.map((path) => fs.stat(path).catch(() => null)))
    for (const stat of stats) sizeBytes += stat?.sizeBytes ?? 0
  }
  return sizeBytes
}
