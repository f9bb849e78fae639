/**
 * Which old segments a log need not keep. It only looks; `log-tail.ts` deletes them, and sees to it that a log never
 * loses its last segment.
 */
import type { FileSystem } from '@sq/sim'
import { checkOffset, resolveConfig, show } from '../config.ts'
import type { WalConfig } from '../config.ts'
import { locatePartition } from './partition.ts'
import type { Partition } from './partition.ts'
import { io, statDirectory } from './segment-file.ts'
import { indexOfSegment, listSegmentFiles, whileListed } from './segment-listing.ts'
import type { ListedSegment } from './segment-listing.ts'
import { describeSegments } from './segments.ts'
import type { SegmentInfo } from './segments.ts'
import { sharedLog } from './shared-log.ts'

/**
 * What of a log is to be kept: one limit or more. A segment goes when any of them says so and all older ones go. Only
 * whole segments go, so more may be kept than a limit asks for; the active one always is.
 */
export interface RetentionPolicy {
  /** Segments go that hold only offsets below this one. */
  readonly belowOffset?: bigint | undefined
  /** Segments go as long as all files together take more than this. */
  readonly maxTotalBytes?: number | undefined
  /** Segments go whose largest timestamp is more than this before now, in milliseconds, by the wall clock. */
  readonly maxAgeMs?: number | undefined
}

const OPTIONS: ReadonlySet<string> = new Set<keyof RetentionPolicy>(['belowOffset', 'maxTotalBytes', 'maxAgeMs'])

/**
 * The segments that `WalWriter.deleteSegments` would delete at a time, in milliseconds since 1970, oldest first, if
 * nothing is appended before: all but the last one are judged, and that one too where it is sealed. Opens nothing for writing and takes no lock. Rejects
 * as `deleteSegments` does for a bad policy and for damage, and with `LogNotFoundError`.
 */
export async function listExpired(
  fs: FileSystem,
  config: WalConfig,
  topic: string,
  partition: number,
  { policy, nowMs }: { policy: RetentionPolicy; nowMs: number },
): Promise<SegmentInfo[]> {
  const checked = checkPolicy(policy)
  const located = locatePartition(resolveConfig(config).dataDir, topic, partition)
  const { identity } = await statDirectory(fs, located.directory)
  const context = { partition: located, durableBound: () => sharedLog(identity).durableBound }
  return whileListed(
    () => listSegmentFiles(fs, located.directory),
    async (listed) => {
      let keepFrom = 0
      for await (const last of describeSegments(fs, listed.slice(-1), context)) {
        keepFrom = Number(last.state === 'sealed' ? last.nextOffset : last.baseOffset)
      }
      return expiredAmong(fs, listed, { partition: located, policy: checked, keepFrom, nowMs })
    },
  )
}

/** A copy of a policy that is good. Throws a `TypeError` or `RangeError` that names the option and the value. */
export function checkPolicy(policy: RetentionPolicy): RetentionPolicy {
  if (typeof policy !== 'object' || policy === null) {
    throw new TypeError(`a policy must be an object, not ${show(policy)}`)
  }
  const unknown = Object.keys(policy).find((option) => !OPTIONS.has(option))
  if (unknown !== undefined) throw new TypeError(`a policy has no option ${show(unknown)}`)
  const { belowOffset, maxTotalBytes, maxAgeMs } = policy
  if (belowOffset === undefined && maxTotalBytes === undefined && maxAgeMs === undefined) {
    throw new TypeError(`a policy must have one of ${[...OPTIONS].join(', ')}`)
  }
  if (belowOffset !== undefined) checkOffset(belowOffset, 'belowOffset')
  checkLimit('maxTotalBytes', maxTotalBytes)
  checkLimit('maxAgeMs', maxAgeMs)
  return { belowOffset, maxTotalBytes, maxAgeMs }
}

function checkLimit(option: keyof RetentionPolicy, value: unknown): void {
  if (value === undefined) return
  if (typeof value !== 'number') throw new TypeError(`${option} must be a number, not ${show(value)}`)
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`${option} must be a whole number from 0 to 2^53 - 1: ${value}`)
  }
}

/**
 * The segments that a policy lets go, oldest first, of those before `keepFrom`, a base offset. Rejects with
 * `CorruptLogError`, `UnsupportedFormatError` or `WalIoError` where one of them cannot be described.
 */
export async function findExpired(
  fs: FileSystem,
  partition: Partition,
  { policy, keepFrom, nowMs }: { policy: RetentionPolicy; keepFrom: number; nowMs: number },
): Promise<SegmentInfo[]> {
  const listed = await listSegmentFiles(fs, partition.directory)
  return expiredAmong(fs, listed, { partition, policy, keepFrom, nowMs })
}

interface Judgement {
  readonly partition: Partition
  readonly policy: RetentionPolicy
  readonly keepFrom: number
  readonly nowMs: number
}

async function expiredAmong(
  fs: FileSystem,
  listed: readonly ListedSegment[],
  { partition, policy, keepFrom, nowMs }: Judgement,
): Promise<SegmentInfo[]> {
  const fileBytes: number[] = []
  for (const { path } of listed) fileBytes.push((await io('look at', path, () => fs.stat(path))).sizeBytes)
  let totalBytes = fileBytes.reduce((sum, bytes) => sum + bytes, 0)
  const old = listed.slice(0, indexOfSegment(listed, keepFrom - 1) + 1)
  const expired: SegmentInfo[] = []
  for await (const described of describeSegments(fs, old, { partition, durableBound: () => Infinity })) {
    if (!hasExpired(described, { policy, totalBytes, nowMs })) break
    totalBytes -= fileBytes[expired.length] ?? 0
    expired.push(described)
  }
  return expired
}

function hasExpired(
  { nextOffset, maxTimestampMs }: SegmentInfo,
  { policy, totalBytes, nowMs }: { policy: RetentionPolicy; totalBytes: number; nowMs: number },
): boolean {
  const { belowOffset = 0n, maxTotalBytes = Infinity, maxAgeMs = Infinity } = policy
  const isOld = maxTimestampMs !== null && maxTimestampMs < nowMs - maxAgeMs
  return nextOffset <= belowOffset || totalBytes > maxTotalBytes || isOld
}
