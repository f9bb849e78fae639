/** Makes the report of a log out of what was found in its segments, and tells which repairs are possible. */
import { join } from 'node:path'
import type { Partition } from '../segments/partition.ts'
import { isBeyondOffsets } from '../segments/segment-listing.ts'
import type { ListedSegment } from '../segments/segment-listing.ts'
import { notesOnNames } from './directory-notes.ts'
import type { Restoration } from './frame-restoration.ts'
import type { LogProblem, LogReport, PossibleRepair } from './report.ts'
import type { SegmentFindings } from './segment-check.ts'

/** All that was found of a log. */
export interface LogFindings {
  readonly partition: Partition
  /** By base offset. */
  readonly segments: readonly SegmentFindings[]
  /** All names in the directory. */
  readonly names: readonly string[]
  /** The offset before which everything is durable, by the writer in this process; Infinity where there is none. */
  readonly bound: number
  /** The base offset of the first segment that is listed; null where none is. */
  readonly listedFrom: number | null
}

export function describeLog(log: LogFindings): LogReport {
  const { partition, segments, names, bound, listedFrom } = log
  const { topic, directory } = partition
  const repairs = new PossibleRepairs(log)
  const problems = segments.flatMap((found, at) =>
    found.problems.map(({ kind, damage }, nth) => ({ kind, ...damage, repairs: repairs.of({ at, nth }) })),
  )
  return {
    topic,
    partition: partition.partition,
    directory,
    firstOffset: BigInt(firstOffsetOf(log)),
    nextOffset: BigInt(nextOffsetOf(log)),
    segments: segments.length,
    records: segments.reduce((sum, { records }) => sum + records, 0),
    bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
    problems: [
      ...names.filter(isBeyondOffsets).map((name) => beyondOffsets(join(directory, name))),
      ...(listedFrom === null && bound > 0 && bound !== Infinity ? [allMissing(directory, bound)] : []),
      ...problems,
    ],
    notes: [...segments.flatMap(({ notes }) => notes), ...notesOnNames(names, directory)],
  }
}

/** Which problem of which segment, by their numbers. */
interface ProblemPlace {
  readonly at: number
  readonly nth: number
}

/** What can be done about the problems of a log. What it takes from all segments is gathered once. */
class PossibleRepairs {
  readonly #log: LogFindings
  readonly #holdsUnsupported: boolean
  /** How many records can be read before each segment, and in all. */
  readonly #recordsBefore: number[] = [0]

  constructor(log: LogFindings) {
    const { segments, names } = log
    this.#log = log
    this.#holdsUnsupported =
      names.some(isBeyondOffsets) ||
      segments.some(({ problems }) => problems.some(({ kind }) => kind === 'unsupported'))
    let sum = 0
    for (const { records } of segments) this.#recordsBefore.push((sum += records))
  }

  /** The repairs of a problem. The least costly comes first. */
  of({ at, nth }: ProblemPlace): PossibleRepair[] {
    const { segments } = this.#log
    const problem = segments[at]?.problems[nth]
    if (problem === undefined) return []
    const today = { firstOffset: BigInt(firstOffsetOf(this.#log)), nextOffset: BigInt(nextOffsetOf(this.#log)) }
    const repairs: PossibleRepair[] = []
    if (problem.restoration !== null) repairs.push({ kind: 'restore', ...today, readableRecordsLost: 0 })
    // What another version wrote is not to be given up by one that cannot read it.
    if (this.#holdsUnsupported) return repairs
    if (canDropFrom(this.#log, { at, nth })) {
      const readableRecordsLost = this.#recordsUpTo(segments.length) - this.#recordsUpTo(at) - problem.recordsBefore
      repairs.push({ kind: 'drop-from', ...today, nextOffset: problem.damage.firstOffset, readableRecordsLost })
    }
    const successor = segments[at + 1]
    if (successor !== undefined) {
      const firstOffset = BigInt(successor.segment.baseOffset)
      repairs.push({ kind: 'drop-through', ...today, firstOffset, readableRecordsLost: this.#recordsUpTo(at + 1) })
    }
    return repairs.toSorted((left, right) => left.readableRecordsLost - right.readableRecordsLost)
  }

  #recordsUpTo(at: number): number {
    return this.#recordsBefore[at] ?? 0
  }
}

/**
 * Whether the log can be made to end before a problem: what stands before it must be good, back to where the segment,
 * or the one before, can be said to end; and the damage must not lie behind the segment's last record, where it would
 * stay.
 */
function canDropFrom(log: LogFindings, { at, nth }: ProblemPlace): boolean {
  const { segments } = log
  const found = segments[at]
  const problem = found?.problems[nth]
  if (found === undefined || problem === undefined || nth > 0) return false
  // What is given up is copied before.
  if (problem.kind === 'unreadable' || problem.kind === 'not-a-file') return false
  const { baseOffset, successor } = found.segment
  const { firstOffset } = problem.damage
  if (firstOffset > nextOffsetOf(log) || (successor !== null && firstOffset >= successor.baseOffset)) return false
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
      if (isSame) return { segment, restoration, repairs: new PossibleRepairs(log).of({ at, nth }) }
    }
  }
  return null
}

const RANGE = ['path', 'from', 'to', 'firstOffset', 'lastOffset'] as const

function firstOffsetOf({ segments, listedFrom }: LogFindings): number {
  return segments[0]?.segment.baseOffset ?? listedFrom ?? 0
}

function nextOffsetOf({ segments, listedFrom }: LogFindings): number {
  return segments.at(-1)?.nextOffset ?? listedFrom ?? 0
}

function beyondOffsets(path: string): LogProblem {
  const reason = 'the base offset in its name is over 2^53 - 1'
  const offsets = { firstOffset: BigInt(Number.MAX_SAFE_INTEGER) + 1n, lastOffset: null }
  return { kind: 'unsupported', path, from: 0, to: 0, ...offsets, reason, repairs: [] }
}

function allMissing(directory: string, bound: number): LogProblem {
  const reason = 'the directory holds no segment, but its writer has written records'
  const offsets = { firstOffset: 0n, lastOffset: BigInt(bound - 1) }
  return { kind: 'missing', path: directory, from: 0, to: 0, ...offsets, reason, repairs: [] }
}
