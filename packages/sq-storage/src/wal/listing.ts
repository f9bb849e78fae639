/**
 * Lists the logs in a data directory, the segments of a log, and the segments that a retention policy would delete. It
 * opens nothing for writing and can run while a writer does.
 */
import { join } from 'node:path'
import type { FileSystem } from '@sq/sim'
import { checkOptions, resolveConfig } from '../config.ts'
import type { WalConfig } from '../config.ts'
import { invariant, systemCode, WalIoError } from '../errors.ts'
import { describeSegments } from './segments/describe.ts'
import type { SegmentInfo } from './segments/describe.ts'
import { linkError } from './segments/directory-links.ts'
import { listLog } from './segments/log-start.ts'
import { locatePartition } from './segments/partition.ts'
import type { Partition } from './segments/partition.ts'
import { checkPolicy, judge } from './segments/retention.ts'
import type { RetentionPolicy, RetentionQuestion, RetentionVerdict } from './segments/retention.ts'
import { io } from './segments/log-file.ts'
import { readHead, statDirectory } from './segments/segment-file.ts'
import { isLog, listNames, whileListed } from './segments/segment-listing.ts'
import type { ListedSegment } from './segments/segment-listing.ts'
import { sharedLog } from './shared/shared-log.ts'

/**
 * The segments of a partition's log, oldest first. Of a sealed segment with a successor it reads only the ends; it
 * scans the others, which are the last segment and abandoned ones. It does not look for damage inside segments. During
 * a truncation it shows what is on disk at that moment.
 *
 * Rejects as `WalReader.open` and `read` do. An empty log has no segments.
 *
 * @example
 * ```ts
 * for (const { baseOffset, state, records } of await listSegments(fs, config, 'orders', 0)) {
 *   console.log(baseOffset, state, records) // 0n active 3
 * }
 * ```
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
    () => listLog(fs, located),
    async ({ segments: listed }) => {
      const described: SegmentInfo[] = []
      for await (const segment of describeSegments(fs, listed, context)) described.push(segment)
      return described
    },
  )
}

/**
 * The segments that `WalWriter.deleteSegments` would delete at the time `nowMs`, in milliseconds since 1970, oldest
 * first, if nothing is appended before. It opens nothing for writing and takes no lock. It cannot know what the wall
 * clock did since a writer opened the log.
 *
 * Rejects as `deleteSegments` does for a bad policy, for a clock that contradicts the log and for damage, and with
 * `LogNotFoundError`.
 *
 * @example
 * ```ts
 * const question = { policy: { maxTotalBytes: 1_000_000 }, nowMs: Date.now() }
 * const expired = await listExpired(fs, config, 'orders', 0, question)
 * console.log(expired.length) // 0
 * ```
 */
export async function listExpired(
  fs: FileSystem,
  config: WalConfig,
  topic: string,
  partition: number,
  question: { policy: RetentionPolicy; nowMs: number },
): Promise<SegmentInfo[]> {
  const verdicts = await ask(fs, { config, topic, partition }, question, { all: false })
  return verdicts.filter(({ keptBecause }) => keptBecause === null).map(({ segment }) => segment)
}

/**
 * The verdict of a policy on every segment, oldest first: whether `listExpired` includes it, and if not, why. The first
 * segment that stays holds back all later ones. Rejects as `listExpired` does.
 *
 * @example
 * ```ts
 * const question = { policy: { belowOffset: 3n }, nowMs: Date.now() }
 * for (const { segment, keptBecause } of await explainRetention(fs, config, 'orders', 0, question)) {
 *   console.log(segment.baseOffset, keptBecause) // 0n active
 * }
 * ```
 */
export function explainRetention(
  fs: FileSystem,
  config: WalConfig,
  topic: string,
  partition: number,
  question: { policy: RetentionPolicy; nowMs: number },
): Promise<RetentionVerdict[]> {
  return ask(fs, { config, topic, partition }, question, { all: true })
}

const QUESTION_OPTIONS: ReadonlySet<string> = new Set<keyof RetentionQuestion>(['policy', 'nowMs'])

async function ask(
  fs: FileSystem,
  { config, topic, partition: number }: { config: WalConfig; topic: string; partition: number },
  question: RetentionQuestion,
  options: { all: boolean },
): Promise<RetentionVerdict[]> {
  checkOptions('a question about retention', question, QUESTION_OPTIONS)
  const { policy, nowMs } = question
  const checked = checkPolicy(policy)
  const partition = locatePartition(resolveConfig(config).dataDir, topic, number)
  const { identity } = await statDirectory(fs, partition.directory)
  const highWatermark = (): number => sharedLog(identity).highWatermark
  return whileListed(
    () => listLog(fs, partition),
    async ({ segments: listed }) => {
      const segments = await measured(fs, listed, checked)
      const isTimed = checked.maxAgeMs !== undefined && checked.trustClock !== true
      const last = isTimed ? listed.at(-1) : undefined
      const newestCreatedMs = last === undefined ? null : (await readHead(fs, last, partition)).open.createdMs
      const { directory } = partition
      const log = { directory, policy: checked, nowMs, expectedMs: null, newestCreatedMs, segments }
      return answer(judge(log, options), describeSegments(fs, listed, { partition, highWatermark }))
    },
  )
}

/** A listed segment to judge. */
interface MeasuredSegment {
  info: SegmentInfo | null
  readonly fileBytes: number
}

/** Segments that are not described yet. The bytes of their files are read only if the policy asks for them. */
async function measured(
  fs: FileSystem,
  listed: readonly ListedSegment[],
  { maxTotalBytes }: RetentionPolicy,
): Promise<MeasuredSegment[]> {
  const segments: MeasuredSegment[] = []
  for (const { path } of listed) {
    const fileBytes = maxTotalBytes === undefined ? 0 : (await io('look at', path, () => fs.stat(path))).sizeBytes
    segments.push({ info: null, fileBytes })
  }
  return segments
}

/** The verdicts, once every segment that the judgement asks for is described. */
async function answer(
  judging: Generator<MeasuredSegment, RetentionVerdict[], undefined>,
  descriptions: AsyncGenerator<SegmentInfo, void, undefined>,
): Promise<RetentionVerdict[]> {
  try {
    for (;;) {
      const asked = judging.next()
      if (asked.done === true) return asked.value
      const description = await descriptions.next()
      invariant(description.done !== true, 'every listed segment is described')
      asked.value.info = description.value
    }
  } finally {
    await descriptions.return()
  }
}

/** A log in a data directory. */
export interface ListedPartition {
  readonly topic: string
  readonly partition: number
  readonly error?: undefined
}

/** A directory that may be a log or contain logs, and that could not be read. */
export interface UnreadablePartition {
  readonly topic: string
  /** Null if the directory of the topic could not be read. */
  readonly partition: number | null
  /** Why: the error of the file system, or that it is a symbolic link that may lead to a log. */
  readonly error: WalIoError
}

/**
 * The partitions that have a log in a data directory, by topic and number: those that a writer has opened at least
 * once. Other files and directories are left out, and so are symbolic links to a file or to nothing. A directory that
 * cannot be read does not hide the others: it is listed with its `error`. A program that opens all logs must check for
 * these, because they may contain logs too.
 *
 * Rejects with a `TypeError` for a bad config, with `LogNotFoundError` if the data directory does not exist, and with
 * `WalIoError` if its names cannot be read.
 *
 * @example
 * ```ts
 * for (const { topic, partition } of await listPartitions(fs, config)) console.log(topic, partition) // orders 0
 * ```
 */
export async function listPartitions(
  fs: FileSystem,
  config: WalConfig,
): Promise<(ListedPartition | UnreadablePartition)[]> {
  const { dataDir } = resolveConfig(config)
  const found: (ListedPartition | UnreadablePartition)[] = []
  for (const topic of await listNames(fs, dataDir)) {
    // A name that cannot be a topic does not belong to the log, and may not be readable.
    if (partitionOf(dataDir, topic, '0') === null) continue
    const names = await namesIn(fs, join(dataDir, topic))
    if (names instanceof WalIoError) found.push({ topic, partition: null, error: names })
    else for (const name of names) found.push(...(await lookInto(fs, partitionOf(dataDir, topic, name))))
  }
  // A topic that could not be read has no partitions to compare.
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
  return isLog(names) ? [{ topic, partition }] : []
}

/** The partition of a directory, or null if its name is not a partition. */
function partitionOf(dataDir: string, topic: string, name: string): Partition | null {
  if (!/^(0|[1-9]\d*)$/.test(name)) return null
  try {
    return locatePartition(dataDir, topic, Number(name))
  } catch {
    return null
  }
}

/** The names in a directory, or the error; none if it is not a directory, or is a link that leads to none. */
async function namesIn(fs: FileSystem, path: string): Promise<string[] | WalIoError> {
  try {
    const { kind } = await fs.stat(path)
    if (kind === 'link') return (await leadsToNoDirectory(fs, path)) ? [] : linkError(path)
    return kind === 'directory' ? await fs.readdir(path) : []
  } catch (error) {
    return systemCode(error) === 'ENOENT' ? [] : new WalIoError('look at', path, error)
  }
}

/** Whether a link certainly leads to no directory, and so to no log. If that is unknown, there may be one. */
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
