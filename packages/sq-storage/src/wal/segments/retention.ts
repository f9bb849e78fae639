/**
 * Decides which old segments a log may delete, and why others stay. It reads nothing but what it asks for.
 * `segment-deletion.ts` deletes segments and makes sure that a log never loses its last one.
 */
import { checkOffset, show } from '../../config.ts'
import { invariant } from '../../errors.ts'
import type { SegmentInfo } from './describe.ts'
import { checkNoLead, checkNotBehind, CLOCK_SLACK_MS, silenceBefore, silenceError } from './wall-clock.ts'

/**
 * Limits of a log: one or more. A segment is deleted when a limit releases it and all older segments are deleted too.
 * Only whole segments are deleted, so a log may keep more than a limit allows. The active segment is deleted by age
 * only, also if nothing is appended any more: it is sealed first, and the log continues in an empty one.
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
  /**
   * Keeps every segment that holds this offset or a later one, whatever the limits release: for records that are not
   * replicated or archived yet. It is no limit by itself.
   */
  readonly keepFromOffset?: bigint | undefined
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
 * - `keep-from-offset`: a limit releases it, but it holds the offset `keepFromOffset` or a later one.
 * - `older-kept`: a limit releases it, but an older segment stays. Only the beginning of a log can be deleted.
 */
export type KeptReason = 'within-limits' | 'future-timestamp' | 'active' | 'keep-from-offset' | 'older-kept'

/** The verdict of a policy on one segment. */
export interface RetentionVerdict {
  readonly segment: SegmentInfo
  /** The limits that release it once all older segments are deleted. */
  readonly expiredBy: readonly RetentionLimit[]
  /** Why it stays; null if it is deleted. */
  readonly keptBecause: KeptReason | null
}

const LIMITS: readonly RetentionLimit[] = ['belowOffset', 'maxTotalBytes', 'maxAgeMs']
const OPTIONS: ReadonlySet<string> = new Set<keyof RetentionPolicy>([...LIMITS, 'keepFromOffset', 'trustClock'])

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
  const { belowOffset, maxTotalBytes, maxAgeMs, keepFromOffset, trustClock = false } = policy
  if (belowOffset === undefined && maxTotalBytes === undefined && maxAgeMs === undefined) {
    throw new TypeError(`a policy must have one of ${LIMITS.join(', ')}`)
  }
  if (belowOffset !== undefined) checkOffset(belowOffset, 'belowOffset')
  if (keepFromOffset !== undefined) checkOffset(keepFromOffset, 'keepFromOffset')
  checkLimit('maxTotalBytes', maxTotalBytes)
  checkLimit('maxAgeMs', maxAgeMs)
  if (typeof trustClock !== 'boolean') throw new TypeError(`trustClock must be a boolean, not ${show(trustClock)}`)
  return { belowOffset, maxTotalBytes, maxAgeMs, keepFromOffset, trustClock }
}

function checkLimit(option: RetentionLimit, value: unknown): void {
  if (value === undefined) return
  if (typeof value !== 'number') throw new TypeError(`${option} must be a number, not ${show(value)}`)
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`${option} must be a whole number from 0 to 2^53 - 1: ${value}`)
  }
}

/** A segment to judge. */
export interface JudgedSegment {
  /** Null until it is described. */
  readonly info: SegmentInfo | null
  readonly fileBytes: number
}

/** A log to judge. */
export interface JudgedLog<Segment extends JudgedSegment> extends RetentionQuestion {
  readonly directory: string
  /** The wall-clock time to expect by the monotonic clock; null if unknown. */
  readonly expectedMs: number | null
  /** When the newest segment was created; null if there is none. */
  readonly newestCreatedMs: number | null
  /** Oldest first. */
  readonly segments: readonly Segment[]
}

/**
 * The verdicts of a policy, oldest segment first: up to the first segment that stays, or with `all` on every segment.
 * It yields each segment that has to be described, oldest first and each once; describe it before you resume. Throws a
 * `ClockSuspectError` if the verdicts depend on a clock that the log contradicts.
 */
export function* judge<Segment extends JudgedSegment>(
  log: JudgedLog<Segment>,
  { all }: { all: boolean },
): Generator<Segment, RetentionVerdict[], undefined> {
  const verdicts: RetentionVerdict[] = []
  let totalBytes = log.segments.reduce((sum, { fileBytes }) => sum + fileBytes, 0)
  let isHeld = false
  for (const segment of log.segments) {
    const verdict = verdictOn(yield* described(segment), { ...log, totalBytes, isHeld })
    verdicts.push(verdict)
    isHeld ||= verdict.keptBecause !== null
    if (isHeld && !all) break
    totalBytes -= segment.fileBytes
  }
  yield* checkClock(log, verdicts)
  return verdicts
}

function* described<Segment extends JudgedSegment>(segment: Segment): Generator<Segment, SegmentInfo, undefined> {
  if (segment.info === null) yield segment
  invariant(segment.info !== null, 'a segment is described before it is judged')
  return segment.info
}

/** The verdict on a segment, with the bytes of its file and all later ones, and whether an older one stays. */
function verdictOn(
  segment: SegmentInfo,
  { policy, nowMs, totalBytes, isHeld }: RetentionQuestion & { totalBytes: number; isHeld: boolean },
): RetentionVerdict {
  const expiredBy = expiredLimits(segment, { policy, totalBytes, nowMs })
  if (expiredBy.length === 0) return { segment, expiredBy, keptBecause: reasonToKeep(segment, { policy, nowMs }) }
  const isNeeded = policy.keepFromOffset !== undefined && segment.nextOffset > policy.keepFromOffset
  return { segment, expiredBy, keptBecause: isNeeded ? 'keep-from-offset' : isHeld ? 'older-kept' : null }
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
function* checkClock<Segment extends JudgedSegment>(
  { directory, policy, nowMs, expectedMs, newestCreatedMs, segments }: JudgedLog<Segment>,
  verdicts: readonly RetentionVerdict[],
): Generator<Segment, void, undefined> {
  const { maxAgeMs, trustClock } = policy
  if (maxAgeMs === undefined || trustClock === true) return
  const reading = { directory, nowMs }
  if (newestCreatedMs !== null) checkNotBehind(reading, newestCreatedMs)

  const aged = verdicts.filter(({ keptBecause, expiredBy }) => keptBecause === null && expiredBy.join() === 'maxAgeMs')
  if (aged.length === 0) return
  checkNoLead(reading, expectedMs)
  const fromMs = aged.reduce((first, { segment }) => Math.min(first, segment.createdMs), Infinity)
  const silentSince = (infos: readonly SegmentInfo[]): number | null =>
    silenceBefore(nowMs, { fromMs, knownMs: infos.flatMap(timesOf), maxAgeMs })
  // The segments described so far are nearly always enough: those kept by age are young.
  if (silentSince(verdicts.map(({ segment }) => segment)) === null) return
  const all: SegmentInfo[] = []
  for (const segment of segments) all.push(yield* described(segment))
  const sinceMs = silentSince(all)
  if (sinceMs !== null) throw silenceError(reading, sinceMs)
}

/** The times that a segment states. */
function timesOf({ createdMs, maxTimestampMs }: SegmentInfo): number[] {
  return maxTimestampMs === null ? [createdMs] : [createdMs, maxTimestampMs]
}
