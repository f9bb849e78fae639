/**
 * Lists the logs in a data directory, the segments of a log, and those that a retention policy would delete. It opens
 * nothing for writing and may run beside a writer.
 */
import { join } from 'node:path'
import type { FileSystem } from '@sq/sim'
import { checkOptions, resolveConfig } from '../config.ts'
import type { WalConfig } from '../config.ts'
import { systemCode, WalIoError } from '../errors.ts'
import { LOCK_NAME, parseSegmentName } from './segment.ts'
import { describeSegments } from './segments/describe.ts'
import type { SegmentInfo } from './segments/describe.ts'
import { linkError } from './segments/directory-links.ts'
import { locatePartition } from './segments/partition.ts'
import type { Partition } from './segments/partition.ts'
import { checkPolicy, judgeAll, segmentsToGo } from './segments/retention.ts'
import type { JudgedLog, RetentionPolicy, RetentionQuestion, RetentionVerdict } from './segments/retention.ts'
import { statDirectory } from './segments/segment-file.ts'
import { listNames, listSegmentFiles, whileListed } from './segments/segment-listing.ts'
import { sharedLog } from './shared/shared-log.ts'

/**
 * The segments of a partition's log, oldest first. Of those that have a SEAL and a successor it reads the ends; it scans
 * the others: the last one, and those that a failure ended. Rejects as `WalReader.open` and `read` do; an empty log has no segments.
 * Damage inside a segment is not looked for. While a truncation is under way it shows what stands on disk then.
 */
export async function listSegments(
  fs: FileSystem,
  config: WalConfig,
  topic: string,
  partition: number,
): Promise<SegmentInfo[]> {
  const located = locatePartition(resolveConfig(config).dataDir, topic, partition)
  const { identity } = await statDirectory(fs, located.directory)
  const context = { partition: located, highWatermark: () => sharedLog(identity).highWatermark }
  return whileListed(
    () => listSegmentFiles(fs, located.directory),
    async (listed) => {
      const described: SegmentInfo[] = []
      for await (const segment of describeSegments(fs, listed, context)) described.push(segment)
      return described
    },
  )
}

/**
 * The segments that `WalWriter.deleteSegments` would delete at a time, in milliseconds since 1970, oldest first, if
 * nothing is appended before. Opens nothing for writing and takes no lock. Rejects as `deleteSegments` does for a bad
 * policy, a clock that contradicts the log, and damage; and with `LogNotFoundError`. What the wall clock did since a
 * writer opened the log it cannot know.
 */
export function listExpired(
  fs: FileSystem,
  config: WalConfig,
  topic: string,
  partition: number,
  question: { policy: RetentionPolicy; nowMs: number },
): Promise<SegmentInfo[]> {
  return ask(fs, { config, topic, partition }, question, segmentsToGo)
}

/**
 * What the policy says of every segment, oldest first: whether `listExpired` has it, and if not, why. The first that
 * stays holds all later ones. Rejects as `listExpired` does.
 */
export function explainRetention(
  fs: FileSystem,
  config: WalConfig,
  topic: string,
  partition: number,
  question: { policy: RetentionPolicy; nowMs: number },
): Promise<RetentionVerdict[]> {
  return ask(fs, { config, topic, partition }, question, judgeAll)
}

const QUESTION_OPTIONS: ReadonlySet<string> = new Set<keyof RetentionQuestion>(['policy', 'nowMs'])

async function ask<T>(
  fs: FileSystem,
  { config, topic, partition: number }: { config: WalConfig; topic: string; partition: number },
  question: RetentionQuestion,
  answer: (log: JudgedLog) => Promise<T>,
): Promise<T> {
  checkOptions('a question about retention', question, QUESTION_OPTIONS)
  const { policy, nowMs } = question
  const checked = checkPolicy(policy)
  const partition = locatePartition(resolveConfig(config).dataDir, topic, number)
  const { identity } = await statDirectory(fs, partition.directory)
  const highWatermark = (): number => sharedLog(identity).highWatermark
  return whileListed(
    () => listSegmentFiles(fs, partition.directory),
    (listed) =>
      answer({
        fs,
        partition,
        policy: checked,
        nowMs,
        expectedMs: null,
        listed,
        ended: listed,
        active: null,
        highWatermark,
      }),
  )
}

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
  return found.toSorted(
    (left, right) => compare(left.topic, right.topic) || Number(left.partition) - Number(right.partition),
  )
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
