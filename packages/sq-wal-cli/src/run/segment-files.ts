/** The segment files of a log by their names and sizes; what else is in its directory is left alone. */
import { join } from 'node:path'
import type { FileSystem } from '@sq/sim'

/** How many files are asked for their sizes at a time. */
const MAX_TOGETHER = 32

/** The paths of the segments in a directory, by base offset. */
export async function segmentFiles(fs: FileSystem, directory: string): Promise<string[]> {
  const names = await fs.readdir(directory)
  const segments = names.filter((name) => /^\d{20}\.wal$/.test(name)).toSorted()
  return segments.map((name) => join(directory, name))
}

/** The size of all segments in a directory; what goes away meanwhile does not count. */
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
