/** Makes the report of a log out of what was found in its segments, and tells which repairs are possible. */
import { join } from 'node:path'
import type { Restoration } from './frame-restoration.ts'
import type { LogNote, LogProblem, LogReport, PossibleRepair } from './log-report.ts'
import type { Partition } from './partition.ts'
import type { SegmentFindings } from './segment-check.ts'
import { isBeyondOffsets } from './segment-file.ts'
import type { ListedSegment } from './segment-file.ts'
import { isKeptName, LOCK_NAME, parseSegmentName, UNFINISHED_NAME } from './segment.ts'

/** All that was found of a log. */
export interface LogFindings {
  readonly partition: Partition
  /** By base offset. */
  readonly segments: readonly SegmentFindings[]
  /** All names in the directory. */
  readonly names: readonly string[]
  /** The offset before which everything is durable, by the writer in this process; Infinity where there is none. */
  readonly bound: number
}

export function describeLog(log: LogFindings): LogReport {
  const { partition, segments, names, bound } = log
  const { topic, directory } = partition
  const problems = segments.flatMap((found, at) =>
    found.problems.map(({ kind, damage }, nth) => ({ kind, ...damage, repairs: possibleRepairs(log, { at, nth }) })),
  )
  return {
    topic,
    partition: partition.partition,
    directory,
    firstOffset: BigInt(firstOffsetOf(segments)),
    nextOffset: BigInt(nextOffsetOf(segments)),
    segments: segments.length,
    records: recordsIn(segments),
    bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
    problems: [
      ...names.filter(isBeyondOffsets).map((name) => beyondOffsets(join(directory, name))),
      ...(segments.length === 0 && bound > 0 && bound !== Infinity ? [allMissing(directory, bound)] : []),
      ...problems,
    ],
    notes: [...segments.flatMap(({ notes }) => notes), ...names.toSorted().flatMap((name) => noteOn(name, directory))],
  }
}

/** Which problem of which segment, by their numbers. */
interface ProblemPlace {
  readonly at: number
  readonly nth: number
}

/** What can be done about a problem. The least costly comes first. */
function possibleRepairs(log: LogFindings, { at, nth }: ProblemPlace): PossibleRepair[] {
  const { segments } = log
  const problem = segments[at]?.problems[nth]
  if (problem === undefined) return []
  const today = { firstOffset: BigInt(firstOffsetOf(segments)), nextOffset: BigInt(nextOffsetOf(segments)) }
  const repairs: PossibleRepair[] = []
  if (problem.restoration !== null) repairs.push({ kind: 'restore', ...today, readableRecordsLost: 0 })
  // What another version wrote is not to be given up by one that cannot read it.
  if (holdsUnsupported(log)) return repairs
  if (canDropFrom(segments, { at, nth })) {
    const readableRecordsLost = recordsIn(segments.slice(at)) - problem.recordsBefore
    repairs.push({ kind: 'drop-from', ...today, nextOffset: problem.damage.firstOffset, readableRecordsLost })
  }
  const successor = segments[at + 1]
  if (successor !== undefined) {
    const readableRecordsLost = recordsIn(segments.slice(0, at + 1))
    const firstOffset = BigInt(successor.segment.baseOffset)
    repairs.push({ kind: 'drop-through', ...today, firstOffset, readableRecordsLost })
  }
  return repairs.toSorted((left, right) => left.readableRecordsLost - right.readableRecordsLost)
}

function holdsUnsupported({ segments, names }: LogFindings): boolean {
  const problems = segments.flatMap((found) => found.problems)
  return names.some(isBeyondOffsets) || problems.some(({ kind }) => kind === 'unsupported')
}

/**
 * Whether the log can be made to end before a problem: what stands before it must be good, back to where the segment,
 * or the one before, can be said to end; and the damage must not lie behind the segment's last record, where it would
 * stay.
 */
function canDropFrom(segments: readonly SegmentFindings[], { at, nth }: ProblemPlace): boolean {
  const found = segments[at]
  const problem = found?.problems[nth]
  if (found === undefined || problem === undefined || nth > 0 || problem.kind === 'unreadable') return false
  const { baseOffset, nextBaseOffset } = found.segment
  const { firstOffset } = problem.damage
  if (firstOffset > nextOffsetOf(segments) || (nextBaseOffset !== null && firstOffset >= nextBaseOffset)) return false
  const before = segments[at - 1]
  if (firstOffset > baseOffset || before === undefined) return true
  return before.problems.length === 0 && before.nextOffset === baseOffset
}

/** A problem that is there as it was reported before: where, and what can be done about it today. */
export interface ConfirmedProblem {
  readonly segment: ListedSegment
  readonly restoration: Restoration | null
  readonly repairs: readonly PossibleRepair[]
}

/** Null where it is not there, or not as it was reported. */
export function confirmProblem(log: LogFindings, problem: LogProblem): ConfirmedProblem | null {
  for (const [at, { segment, problems }] of log.segments.entries()) {
    for (const [nth, { kind, damage, restoration }] of problems.entries()) {
      const isSame = kind === problem.kind && RANGE.every((field) => damage[field] === problem[field])
      if (isSame) return { segment, restoration, repairs: possibleRepairs(log, { at, nth }) }
    }
  }
  return null
}

const RANGE = ['path', 'from', 'to', 'firstOffset', 'lastOffset'] as const

function firstOffsetOf(segments: readonly SegmentFindings[]): number {
  return segments[0]?.segment.baseOffset ?? 0
}

function nextOffsetOf(segments: readonly SegmentFindings[]): number {
  return segments.at(-1)?.nextOffset ?? 0
}

function recordsIn(segments: readonly SegmentFindings[]): number {
  return segments.reduce((sum, { records }) => sum + records, 0)
}

function beyondOffsets(path: string): LogProblem {
  const reason = 'the base offset in its name is over 2^53 - 1'
  const offsets = { firstOffset: BigInt(Number.MAX_SAFE_INTEGER) + 1n, lastOffset: null }
  return { kind: 'unsupported', path, from: 0, to: 0, ...offsets, reason, repairs: [] }
}

function allMissing(directory: string, bound: number): LogProblem {
  const reason = 'it holds no segment, but its writer wrote some'
  const offsets = { firstOffset: 0n, lastOffset: BigInt(bound - 1) }
  return { kind: 'missing', path: directory, from: 0, to: 0, ...offsets, reason, repairs: [] }
}

function noteOn(name: string, directory: string): LogNote[] {
  if (name === LOCK_NAME || name === UNFINISHED_NAME || parseSegmentName(name) !== null) return []
  const file = { path: join(directory, name), from: 0, to: 0 }
  return isKeptName(name)
    ? [{ kind: 'kept', ...file, text: 'an earlier repair took it out of the log' }]
    : [{ kind: 'strange', ...file, text: 'no name that a log makes' }]
}
