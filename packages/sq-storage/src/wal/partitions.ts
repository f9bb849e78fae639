/** Finds the logs in a data directory. It reads names only. */
import { join } from 'node:path'
import type { FileSystem } from '@sq/sim'
import { resolveConfig } from '../config.ts'
import type { WalConfig } from '../config.ts'
import { systemCode, WalIoError } from '../errors.ts'
import { linkError } from './segments/directory-links.ts'
import { locatePartition } from './segments/partition.ts'
import type { Partition } from './segments/partition.ts'
import { listNames } from './segments/segment-listing.ts'
import { LOCK_NAME, parseSegmentName } from './segment.ts'

/** A log in a data directory. */
export interface ListedPartition {
  readonly topic: string
  readonly partition: number
  readonly error?: undefined
}

/** What may be a log, or hold some, and could not be looked into. */
export interface UnreadablePartition {
  readonly topic: string
  /** Null where the directory of the topic could not be looked into. */
  readonly partition: number | null
  /** Why: what the file system says, or that it is a symbolic link that may lead to a log. */
  readonly error: WalIoError
}

/**
 * The partitions with a log in a data directory, by topic and number: those that a writer once had open. What else is
 * in it is left alone, also a symbolic link to a file or to nothing. What cannot be looked into does not hide the
 * others: it stands among them with its `error`. Who opens all logs must look for those: they may hold logs too.
 *
 * Rejects with a `TypeError` for a bad config, with `LogNotFoundError` where there is no such directory, with
 * `WalIoError` where its own names cannot be read.
 */
export async function listPartitions(
  fs: FileSystem,
  config: WalConfig,
): Promise<(ListedPartition | UnreadablePartition)[]> {
  const { dataDir } = resolveConfig(config)
  const found: (ListedPartition | UnreadablePartition)[] = []
  for (const topic of await listNames(fs, dataDir)) {
    // What can be no topic is somebody else's, and perhaps not ours to look into.
    if (partitionOf(dataDir, topic, '0') === null) continue
    const names = await namesIn(fs, join(dataDir, topic))
    if (names instanceof WalIoError) found.push({ topic, partition: null, error: names })
    else for (const name of names) found.push(...(await lookInto(fs, partitionOf(dataDir, topic, name))))
  }
  // A topic that could not be looked into stands alone.
  return found.toSorted((left, right) => compare(left.topic, right.topic) || Number(left.partition) - Number(right.partition))
}

/** The log in a partition's directory, if there is one. */
async function lookInto(fs: FileSystem, located: Partition | null): Promise<(ListedPartition | UnreadablePartition)[]> {
  if (located === null) return []
  const { topic, partition, directory } = located
  const names = await namesIn(fs, directory)
  if (names instanceof WalIoError) return [{ topic, partition, error: names }]
  const isLog = names.some((file) => file === LOCK_NAME || parseSegmentName(file) !== null)
  return isLog ? [{ topic, partition }] : []
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

/** What is in a directory, or why that cannot be told; nothing in what is none, or in a link that leads to none. */
async function namesIn(fs: FileSystem, path: string): Promise<string[] | WalIoError> {
  try {
    const { kind } = await fs.stat(path)
    if (kind === 'link') return (await leadsToNoDirectory(fs, path)) ? [] : linkError(path)
    return kind === 'directory' ? await fs.readdir(path) : []
  } catch (error) {
    return systemCode(error) === 'ENOENT' ? [] : new WalIoError('look at', path, error)
  }
}

/** Whether there is surely no directory, and so no log, behind a link. Where that cannot be told, there may be one. */
async function leadsToNoDirectory(fs: FileSystem, link: string): Promise<boolean> {
  try {
    await fs.readdir(link)
    return false
  } catch (error) {
    const code = systemCode(error)
    return code === 'ENOENT' || code === 'ENOTDIR'
  }
}

function compare(left: string, right: string): number {
  if (left === right) return 0
  return left < right ? -1 : 1
}
