/**
 * Which old segments a log need not keep, and what holds the others. It only looks; `log-tail.ts` deletes them, and sees
 * to it that a log never loses its last segment.
 */
import type { FileSystem } from '@sq/sim'
import { checkOffset, show } from '../../config.ts'
import { describeSegments } from './describe.ts'
import type { SegmentInfo } from './describe.ts'
import { io } from './log-file.ts'
import type { Partition } from './partition.ts'
import { readHead } from './segment-file.ts'
import { indexOfSegment, listSegmentFiles } from './segment-listing.ts'
import type { ListedSegment } from './segment-listing.ts'
import { checkNoLead, checkNotBehind, CLOCK_SLACK_MS, silenceBefore, silenceError } from './wall-clock.ts'

/**
 * What of a log is to be kept: one limit or more. A segment goes when any of them says so and all older ones go. Only
 * whole segments go, so more may be kept than a limit asks for. The active one, which is still written, goes by age
 * alone: it is ended first, and the log goes on in an empty one.
 */
export interface RetentionPolicy {
  /** Segments go that hold only offsets below this one. */
  readonly belowOffset?: bigint | undefined
  /** Segments go as long as all files together take more than this. */
  readonly maxTotalBytes?: number | undefined
  /**
   * Segments go whose largest timestamp is more than this before now, in milliseconds, by the wall clock. Where the
   * clock contradicts the log nothing is deleted, by no limit, and the call rejects with a `ClockSuspectError`:
   *
   * - the clock is more than 5 minutes behind the creation of the newest segment;
   * - something is to go by its age alone, and since its creation there was a stretch longer than `maxAgeMs` and 366 days
   *   in which no segment was created and that holds no segment's largest timestamp;
   * - something is to go by its age alone, and the wall clock went more than a day further than the monotonic one, since
   *   the log was opened, its last segment was made, or `deleteSegments` was last called. Not if it was behind the newest
   *   segment's creation when the log was opened.
   */
  readonly maxAgeMs?: number | undefined
  /** Whether to go by the clock whatever the log says. Default false. */
  readonly trustClock?: boolean | undefined
}

/** A limit of a policy. */
export type RetentionLimit = 'belowOffset' | 'maxTotalBytes' | 'maxAgeMs'

/**
 * Why a segment stays.
 *
 * - `within-limits`: no limit lets it go.
 * - `future-timestamp`: no limit lets it go, and its largest timestamp lies more than 5 minutes ahead of the clock. Its
 *   age does not count before that time.
 * - `active`: it is still written, and its age does not let it go.
 * - `older-kept`: a limit lets it go, and an older segment stays. Only the beginning of a log can go.
 */
export type KeptReason = 'within-limits' | 'future-timestamp' | 'active' | 'older-kept'

/** What a policy says of one segment. */
export interface RetentionVerdict {
  readonly segment: SegmentInfo
  /** The limits that let it go once all older segments are gone. */
  readonly expiredBy: readonly RetentionLimit[]
  /** Why it stays; null where it goes. */
  readonly keptBecause: KeptReason | null
}

const LIMITS: readonly RetentionLimit[] = ['belowOffset', 'maxTotalBytes', 'maxAgeMs']
const OPTIONS: ReadonlySet<string> = new Set<keyof RetentionPolicy>([...LIMITS, 'trustClock'])

/** A policy, and the time at which it is applied, in milliseconds since 1970. */
export interface RetentionQuestion {
  readonly policy: RetentionPolicy
  readonly nowMs: number
}

/** A copy of a policy that is good. Throws a `TypeError` or `RangeError` that names the option and the value. */
export function checkPolicy(policy: RetentionPolicy): RetentionPolicy {
  if (typeof policy !== 'object' || policy === null) {
    throw new TypeError(`a policy must be an object, not ${show(policy)}`)
  }
  const unknown = Object.keys(policy).find((option) => !OPTIONS.has(option))
  if (unknown !== undefined) throw new TypeError(`a policy has no option ${show(unknown)}`)
  const { belowOffset, maxTotalBytes, maxAgeMs, trustClock = false } = policy
  if (belowOffset === undefined && maxTotalBytes === undefined && maxAgeMs === undefined) {
    throw new TypeError(`a policy must have one of ${LIMITS.join(', ')}`)
  }
  if (belowOffset !== undefined) checkOffset(belowOffset, 'belowOffset')
  checkLimit('maxTotalBytes', maxTotalBytes)
  checkLimit('maxAgeMs', maxAgeMs)
  if (typeof trustClock !== 'boolean') throw new TypeError(`trustClock must be a boolean, not ${show(trustClock)}`)
  return { belowOffset, maxTotalBytes, maxAgeMs, trustClock }
}

function checkLimit(option: RetentionLimit, value: unknown): void {
  if (value === undefined) return
  if (typeof value !== 'number') throw new TypeError(`${option} must be a number, not ${show(value)}`)
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`${option} must be a whole number from 0 to 2^53 - 1: ${value}`)
  }
}

/** What a writer knows of its log. */
interface OwnLog extends RetentionQuestion {
  /** Which time it should be, going by the monotonic clock; null where that is not known. */
  readonly expectedMs: number | null
  readonly active: SegmentInfo | null
  readonly nextOffset: bigint
}

/**
 * The segments that a writer's policy lets go, oldest first. Rejects with `ClockSuspectError`, and with
 * `CorruptLogError`, `UnsupportedFormatError` or `WalIoError` where one of them cannot be described.
 */
export async function findExpired(fs: FileSystem, partition: Partition, own: OwnLog): Promise<SegmentInfo[]> {
  const { active, nextOffset, ...question } = own
  const listed = await listSegmentFiles(fs, partition.directory)
  // What stands from there on is the active segment, and what a failed heal may have left.
  const keepFrom = Number(active?.baseOffset ?? nextOffset)
  const ended = listed.slice(0, indexOfSegment(listed, keepFrom - 1) + 1)
  return segmentsToGo({ fs, partition, ...question, listed, ended, active, highWatermark: () => Infinity })
}

/** A log that is to be judged. */
export interface JudgedLog extends RetentionQuestion {
  readonly fs: FileSystem
  readonly partition: Partition
  readonly expectedMs: number | null
  /** All segment files, for what they take. */
  readonly listed: readonly ListedSegment[]
  /** The segments that have to be looked at; the last of them may be active. */
  readonly ended: readonly ListedSegment[]
  /** The segment behind these, where it is known. */
  readonly active: SegmentInfo | null
  readonly highWatermark: () => number
}

/** The segments that a policy lets go, oldest first. */
export async function segmentsToGo(log: JudgedLog): Promise<SegmentInfo[]> {
  const verdicts: RetentionVerdict[] = []
  for await (const verdict of judge(log)) {
    verdicts.push(verdict)
    if (verdict.keptBecause !== null) break
  }
  await checkClock(log, verdicts)
  return verdicts.filter(({ keptBecause }) => keptBecause === null).map(({ segment }) => segment)
}

/** What the policy says of every segment, oldest first. */
export async function judgeAll(log: JudgedLog): Promise<RetentionVerdict[]> {
  const verdicts: RetentionVerdict[] = []
  for await (const verdict of judge(log)) verdicts.push(verdict)
  await checkClock(log, verdicts)
  return verdicts
}

async function* judge(log: JudgedLog): AsyncGenerator<RetentionVerdict, void, undefined> {
  const { fs, listed, policy, nowMs } = log
  const fileBytes: number[] = []
  if (policy.maxTotalBytes !== undefined) {
    for (const { path } of listed) fileBytes.push((await io('look at', path, () => fs.stat(path))).sizeBytes)
  }
  let totalBytes = fileBytes.reduce((sum, bytes) => sum + bytes, 0)
  let isHeld = false
  let at = 0
  for await (const segment of describe(log)) {
    const expiredBy: RetentionLimit[] = expiredLimits(segment, { policy, totalBytes, nowMs })
    const heldBack: KeptReason | null = isHeld ? 'older-kept' : null
    const keptBecause: KeptReason | null = expiredBy.length === 0 ? reasonToKeep(segment, { policy, nowMs }) : heldBack
    isHeld ||= keptBecause !== null
    yield { segment, expiredBy, keptBecause }
    totalBytes -= fileBytes[at++] ?? 0
  }
}

async function* describe(log: JudgedLog): AsyncGenerator<SegmentInfo, void, undefined> {
  yield* describeSegments(log.fs, log.ended, log)
  if (log.active !== null) yield log.active
}

function expiredLimits(
  { state, nextOffset, maxTimestampMs }: SegmentInfo,
  { policy, totalBytes, nowMs }: { policy: RetentionPolicy; totalBytes: number; nowMs: number },
): RetentionLimit[] {
  const { belowOffset = 0n, maxTotalBytes = Infinity, maxAgeMs = Infinity } = policy
  const isEnded = state !== 'active'
  const expired: Readonly<Record<RetentionLimit, boolean>> = {
    belowOffset: isEnded && nextOffset <= belowOffset,
    maxTotalBytes: isEnded && totalBytes > maxTotalBytes,
    maxAgeMs: maxTimestampMs !== null && maxTimestampMs < nowMs - maxAgeMs,
  }
  return LIMITS.filter((limit) => expired[limit])
}

function reasonToKeep({ state, maxTimestampMs }: SegmentInfo, { policy, nowMs }: RetentionQuestion): KeptReason {
  const isAhead = maxTimestampMs !== null && maxTimestampMs > nowMs + CLOCK_SLACK_MS
  if (policy.maxAgeMs !== undefined && isAhead) return 'future-timestamp'
  return state === 'active' ? 'active' : 'within-limits'
}

/** Throws a `ClockSuspectError` where these verdicts go by a clock that the log contradicts. */
async function checkClock(log: JudgedLog, verdicts: readonly RetentionVerdict[]): Promise<void> {
  const { partition, policy, nowMs, expectedMs } = log
  const { maxAgeMs, trustClock } = policy
  if (maxAgeMs === undefined || trustClock === true) return
  const reading = { directory: partition.directory, nowMs }
  const newestCreatedMs = await newestCreation(log)
  if (newestCreatedMs !== null) checkNotBehind(reading, newestCreatedMs)

  const aged = verdicts.filter(({ keptBecause, expiredBy }) => keptBecause === null && expiredBy.join() === 'maxAgeMs')
  if (aged.length === 0) return
  checkNoLead(reading, expectedMs)
  const fromMs = aged.reduce((first, { segment }) => Math.min(first, segment.createdMs), Infinity)
  const silentSince = (segments: readonly SegmentInfo[]): number | null =>
    silenceBefore(nowMs, { fromMs, knownMs: segments.flatMap(timesOf), maxAgeMs })
  // What has been looked at tells enough, nearly always: what is kept by age is young.
  const sinceMs = silentSince(verdicts.map(({ segment }) => segment))
  if (sinceMs === null) return
  const all: SegmentInfo[] = []
  for await (const segment of describe(log)) all.push(segment)
  const reallySinceMs = silentSince(all)
  if (reallySinceMs !== null) throw silenceError(reading, reallySinceMs)
}

async function newestCreation({ fs, partition, ended, active }: JudgedLog): Promise<number | null> {
  if (active !== null) return active.createdMs
  const last = ended.at(-1)
  return last === undefined ? null : (await readHead(fs, last, partition)).open.createdMs
}

/** What a segment says of the time in which it was written. */
function timesOf({ createdMs, maxTimestampMs }: SegmentInfo): number[] {
  return maxTimestampMs === null ? [createdMs] : [createdMs, maxTimestampMs]
}
