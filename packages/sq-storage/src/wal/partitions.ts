/** Finds the logs in a data directory. It reads names only. */
import { join } from 'node:path'
import type { FileSystem } from '@sq/sim'
import { resolveConfig } from '../config.ts'
import type { WalConfig } from '../config.ts'
import { systemCode, WalIoError } from '../errors.ts'
import { locatePartition } from './partition.ts'
import type { Partition } from './partition.ts'
import { statDirectory } from './segment-file.ts'
import { listNames } from './segment-listing.ts'
import { LOCK_NAME, parseSegmentName } from './segment.ts'

/**
 * The partitions with a log in a data directory, by topic and number: those that a writer once had open. What else is
 * in it is left alone. Rejects with a `TypeError` for a bad config, with `LogNotFoundError` where there is no such
 * directory, with `WalIoError`.
 */
export async function listPartitions(
  fs: FileSystem,
  config: WalConfig,
): Promise<{ readonly topic: string; readonly partition: number }[]> {
  const { dataDir } = resolveConfig(config)
  await statDirectory(fs, dataDir)
  const found: Partition[] = []
  for (const topic of await listNames(fs, dataDir)) {
    // What can be no topic is somebody else's, and perhaps not ours to look into.
    if (partitionOf(dataDir, topic, '0') === null) continue
    for (const name of await namesIn(fs, join(dataDir, topic))) {
      const partition = partitionOf(dataDir, topic, name)
      if (partition === null) continue
      const names = await namesIn(fs, partition.directory)
      if (names.some((file) => file === LOCK_NAME || parseSegmentName(file) !== null)) found.push(partition)
    }
  }
  found.sort((left, right) => compare(left.topic, right.topic) || left.partition - right.partition)
  return found.map(({ topic, partition }) => ({ topic, partition }))
}

/** The partition that a directory would be, or null if no partition has this name. */
function partitionOf(dataDir: string, topic: string, name: string): Partition | null {
  if (!/^(0|[1-9]\d*)$/.test(name)) return null
  try {
    return locatePartition(dataDir, topic, Number(name))
  } catch {
    return null
  }
}

/** What is in a directory; nothing in what is none. */
async function namesIn(fs: FileSystem, path: string): Promise<string[]> {
  try {
    const { kind } = await fs.stat(path)
    return kind === 'directory' ? await fs.readdir(path) : []
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw new WalIoError('look at', path, error)
  }
}

function compare(left: string, right: string): number {
  if (left === right) return 0
  return left < right ? -1 : 1
}
