/** Finds out which log the segments at a path are of. */
import { dirname, join, resolve } from 'node:path'
import type { FileSystem } from '@sq/sim'
import type { LocatedLog } from './log-source.ts'
import { RelocatedFileSystem } from './relocated-file-system.ts'
import { showPathAs } from './shown-path.ts'

/** What the first segment at a path says. */
interface Origin {
  readonly topic: string
  readonly partition: number
  /** The name of the segment file, if the path is one. */
  readonly segmentName: string | null
}

/** The log of a directory of segments, or of one segment file. Null if there is none that can be told. */
export async function logAtPath(fs: FileSystem, path: string): Promise<LocatedLog | null> {
  const origin = await originOf(fs, path)
  return origin === null ? null : relocated(fs, path, origin)
}

/**
 * The log itself, or, if its segments are all of another log, that log, with the name under which it was found. Only
 * segments say what they are; a log without readable ones stays what it is.
 */
export async function withOrigin(log: LocatedLog): Promise<LocatedLog> {
  const directory = resolve(log.config.dataDir, log.topic, String(log.partition))
  const origin = log.archive === null ? await originOf(log.fs, directory) : null
  if (origin === null || (origin.topic === log.topic && origin.partition === log.partition)) return log
  return { ...relocated(log.fs, directory, origin), foundAs: `${log.topic}/${log.partition}` }
}

function relocated(fs: FileSystem, path: string, { topic, partition, segmentName }: Origin): LocatedLog {
  const dataDir = resolve(path)
  const shownAs = join(dataDir, topic, String(partition))
  showPathAs(shownAs, segmentName === null ? dataDir : dirname(dataDir))
  const relocation = { path: dataDir, segmentName, shownAs }
  return { fs: new RelocatedFileSystem(fs, relocation), config: { dataDir }, archive: null, topic, partition }
}

async function originOf(fs: FileSystem, path: string): Promise<Origin | null> {
  try {
    const { kind } = await fs.stat(path)
    if (kind === 'file') {
      const { topic, partition, baseOffset } = await startOf(fs, path)
      return { topic, partition, segmentName: `${String(baseOffset).padStart(20, '0')}.wal` }
    }
    const names = (await fs.readdir(path)).filter((name) => /^\d{20}\.wal$/.test(name)).toSorted()
    const [first, last] = [names[0], names.at(-1)]
    if (first === undefined || last === undefined) return null
    const { topic, partition } = await startOf(fs, join(path, first))
    const end = await startOf(fs, join(path, last))
    return end.topic === topic && end.partition === partition ? { topic, partition, segmentName: null } : null
  } catch {
    // The command that reads the log reports what is wrong with it.
    return null
  }
}

async function startOf(
  fs: FileSystem,
  path: string,
): Promise<{ readonly topic: string; readonly partition: number; readonly baseOffset: bigint }> {
  const { readSegmentStart } = await import('@sq/storage')
  const file = await fs.open(path, 'read')
  try {
    return await readSegmentStart({ path, bytes: await file.size(), read: (buffer, at) => file.read(buffer, at) })
  } finally {
    await file.close()
  }
}
