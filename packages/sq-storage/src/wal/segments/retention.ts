/**
 * Decides which old segments a log may delete, and why others stay. It only reads. `log-tail.ts` deletes segments and
 * makes sure that a log never loses its last one.
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
 * Limits of a log: one or more. A segment is deleted when a limit releases it and all older segments are deleted too.
 * Only whole segments are deleted, so a log may keep more than a limit allows. The active segment is deleted by age
 * only: it is sealed first, and the log continues in an empty one.
 */
export interface RetentionPolicy {
  /** Releases segments that hold only offsets below this one. */
  readonly belowOffset?: bigint | undefined
  /** Releases the oldest segments while all files together take more than this. */
  readonly maxTotalBytes?: number | undefined
  /**
   * Releases segments whose largest timestamp is more than this before now, in milliseconds, by the wall clock. If the
   * clock contradicts the log, nothing is deleted, not even by other limits, and the call rejects with a
   * `ClockSuspectError`. The clock contradicts the log in three cases:
   *
   * - The clock is more than 5 minutes behind the creation of the newest segment.
   * - A segment would be deleted by its age alone, and since its creation the log was silent for longer than `maxAgeMs`
   *   and 366 days: no segment was created in that time, and no segment has its largest timestamp in it.
   * - A segment would be deleted by its age alone, and the wall clock advanced over a day more than the monotonic clock
   *   since the log was opened, its last segment was created, or `deleteSegments` was last called. This is not checked
   *   if the clock was behind the creation of the newest segment when the log was opened.
   */
  readonly maxAgeMs?: number | undefined
  /** Trusts the clock even if it contradicts the log. Default false. */
  readonly trustClock?: boolean | undefined
}

/** A limit of a policy. */
export type RetentionLimit = 'belowOffset' | 'maxTotalBytes' | 'maxAgeMs'

/**
 * Why a segment stays.
 *
 * - `within-limits`: no limit releases it.
 * - `future-timestamp`: no limit releases it, and its largest timestamp is more than 5 minutes ahead of the clock. Its
 *   age does not count before that time.
 * - `active`: the writer appends to it, and its age does not release it.
 * - `older-kept`: a limit releases it, but an older segment stays. Only the beginning of a log can be deleted.
 */
export type KeptReason = 'within-limits' | 'future-timestamp' | 'active' | 'older-kept'

/** The verdict of a policy on one segment. */
export interface RetentionVerdict {
  readonly segment: SegmentInfo
  /** The limits that release it once all older segments are deleted. */
  readonly expiredBy: readonly RetentionLimit[]
  /** Why it stays; null if it is deleted. */
  readonly keptBecause: KeptReason | null
}

const LIMITS: readonly RetentionLimit[] = ['belowOffset', 'maxTotalBytes', 'maxAgeMs']
const OPTIONS: ReadonlySet<string> = new Set<keyof RetentionPolicy>([...LIMITS, 'trustClock'])

/** A policy, and the time for which it is evaluated, in milliseconds since 1970. */
export interface RetentionQuestion {
  readonly policy: RetentionPolicy
  readonly nowMs: number
}

/** A checked copy of a policy. Throws a `TypeError` or `RangeError` that names the option and the value. */
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

/** What a writer knows about its log. */
interface OwnLog extends RetentionQuestion {
  /** The wall-clock time to expect by the monotonic clock; null if unknown. */
  readonly expectedMs: number | null
  readonly active: SegmentInfo | null
  readonly nextOffset: bigint
}

/**
 * The segments that the policy of a writer releases, oldest first. Rejects with `ClockSuspectError`, and with
 * `CorruptLogError`, `UnsupportedFormatError` or `WalIoError` if a segment cannot be described.
 */
export async function findExpired(fs: FileSystem, partition: Partition, own: OwnLog): Promise<SegmentInfo[]> {
  const { active, nextOffset, ...question } = own
  const listed = await listSegmentFiles(fs, partition.directory)
  // From this offset on there are only the active segment and files of a failed roll-over.
  const keepFrom = Number(active?.baseOffset ?? nextOffset)
  const ended = listed.slice(0, indexOfSegment(listed, keepFrom - 1) + 1)
  return segmentsToGo({ fs, partition, ...question, listed, ended, active, highWatermark: () => Infinity })
}

/** A log to evaluate. */
export interface JudgedLog extends RetentionQuestion {
  readonly fs: FileSystem
  readonly partition: Partition
  readonly expectedMs: number | null
  /** All segment files, for their sizes. */
  readonly listed: readonly ListedSegment[]
  /** The segments to describe; the last of them may be active. */
  readonly ended: readonly ListedSegment[]
  /** The segment after these, if it is known. */
  readonly active: SegmentInfo | null
  readonly highWatermark: () => number
}

/** The segments that a policy releases, oldest first. */
export async function segmentsToGo(log: JudgedLog): Promise<SegmentInfo[]> {
  const verdicts: RetentionVerdict[] = []
  for await (const verdict of judge(log)) {
    verdicts.push(verdict)
    if (verdict.keptBecause !== null) break
  }
  await checkClock(log, verdicts)
  return verdicts.filter(({ keptBecause }) => keptBecause === null).map(({ segment }) => segment)
}

/** The verdict of the policy on every segment, oldest first. */
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

/** Throws a `ClockSuspectError` if the verdicts depend on a clock that the log contradicts. */
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
  // The segments described so far are nearly always enough: those kept by age are young.
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

/** The times that a segment states. */
function timesOf({ createdMs, maxTimestampMs }: SegmentInfo): number[] {
  return maxTimestampMs === null ? [createdMs] : [createdMs, maxTimestampMs]
}
