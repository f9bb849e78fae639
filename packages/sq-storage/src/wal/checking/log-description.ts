/** Makes the report of a log from the findings of its segments, and decides which repairs are possible. */
import { join } from 'node:path'
import type { Partition } from '../segments/partition.ts'
import { isBeyondOffsets } from '../segments/segment-listing.ts'
import type { ListedSegment } from '../segments/segment-listing.ts'
import { notesOnNames } from './directory-notes.ts'
import type { Restoration } from './frame-restoration.ts'
import type { FoundProblem, LogProblem, LogReport, PossibleRepair } from './report.ts'
import type { SegmentFindings } from './segment-check.ts'

/** The findings of a log. */
export interface LogFindings {
  readonly partition: Partition
  /** By base offset. */
  readonly segments: readonly SegmentFindings[]
  /** All names in the directory. */
  readonly names: readonly string[]
  /** The high watermark of the writer in this process; Infinity without one. */
  readonly bound: number
  /** The base offset of the first listed segment; null if none is listed. */
  readonly listedFrom: number | null
  /** The offset in the log start, or what is wrong with it. */
  readonly start: number | StartProblem
}

/** A log start that cannot be used. */
export type StartProblem = Pick<FoundProblem, 'kind' | 'damage'>

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
      ...(typeof log.start === 'number' ? [] : [startProblem(log, log.start)]),
      ...(listedFrom === null && bound > 0 && bound !== Infinity ? [allMissing(directory, bound)] : []),
      ...problems,
    ],
    notes: [...segments.flatMap(({ notes }) => notes), ...notesOnNames(names, directory)],
  }
}

/** A problem by the indexes of its segment and of itself. */
interface ProblemPlace {
  readonly at: number
  readonly nth: number
}

/** The possible repairs of the problems of a log. What they need from all segments is computed once. */
class PossibleRepairs {
  readonly #log: LogFindings
  readonly #holdsUnsupported: boolean
  /** The number of readable records before each segment, and in total. */
  readonly #recordsBefore: number[] = [0]

  constructor(log: LogFindings) {
    const { segments, names } = log
    this.#log = log
    this.#holdsUnsupported =
      names.some(isBeyondOffsets) ||
      (typeof log.start !== 'number' && log.start.kind === 'unsupported') ||
      segments.some(({ problems }) => problems.some(({ kind }) => kind === 'unsupported'))
    let sum = 0
    for (const { records } of segments) this.#recordsBefore.push((sum += records))
  }

  /** The repairs of a problem, the cheapest first. */
  of({ at, nth }: ProblemPlace): PossibleRepair[] {
    const { segments } = this.#log
    const problem = segments[at]?.problems[nth]
    if (problem === undefined) return []
    const today = { firstOffset: BigInt(firstOffsetOf(this.#log)), nextOffset: BigInt(nextOffsetOf(this.#log)) }
    const repairs: PossibleRepair[] = []
    if (problem.restoration !== null) repairs.push({ kind: 'restore', ...today, readableRecordsLost: 0 })
    // A version that cannot read data of a different version does not drop it.
    if (this.#holdsUnsupported) return repairs
    if (canDropFrom(this.#log, { at, nth })) {
      const readableRecordsLost = this.#recordsUpTo(segments.length) - this.#recordsUpTo(at) - problem.recordsBefore
      const { firstOffset: end } = problem.damage
      const nextOffset = end > today.firstOffset ? end : today.firstOffset
      repairs.push({ kind: 'drop-from', ...today, nextOffset, readableRecordsLost })
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
 * Whether the log can be made to end before a problem. Everything before it must be good, back to a known end of the
 * segment or of the one before. The damage must not lie after the last record of the segment, where it would remain.
 */
function canDropFrom(log: LogFindings, { at, nth }: ProblemPlace): boolean {
  const { segments } = log
  const found = segments[at]
  const problem = found?.problems[nth]
  if (found === undefined || problem === undefined || nth > 0) return false
  // What is dropped is copied first, which is impossible here.
  if (problem.kind === 'unreadable' || problem.kind === 'not-a-file') return false
  const { baseOffset, successor } = found.segment
  const { firstOffset } = problem.damage
  if (firstOffset > endOf(log) || (successor !== null && firstOffset >= successor.baseOffset)) return false
  const before = segments[at - 1]
  if (firstOffset > baseOffset || before === undefined) return true
  return before.problems.length === 0 && before.nextOffset === baseOffset
}

/** A problem that is still as it was reported: its segment, and the current repairs. */
export interface ConfirmedProblem {
  /** Null for the log start. */
  readonly segment: ListedSegment | null
  readonly restoration: Restoration | null
  readonly repairs: readonly PossibleRepair[]
}

/** Null if the problem is gone or has changed. */
export function confirmProblem(log: LogFindings, problem: LogProblem): ConfirmedProblem | null {
  if (typeof log.start !== 'number' && isSame(log.start, problem)) {
    return { segment: null, restoration: null, repairs: startProblem(log, log.start).repairs }
  }
  for (const [at, { segment, problems }] of log.segments.entries()) {
    for (const [nth, { kind, damage, restoration }] of problems.entries()) {
      if (isSame({ kind, damage }, problem))
        return { segment, restoration, repairs: new PossibleRepairs(log).of({ at, nth }) }
    }
  }
  return null
}

const RANGE = ['path', 'from', 'to', 'firstOffset', 'lastOffset'] as const

function isSame({ kind, damage }: Pick<FoundProblem, 'kind' | 'damage'>, problem: LogProblem): boolean {
  return kind === problem.kind && RANGE.every((field) => damage[field] === problem[field])
}

/** The offset up to which records are deleted, as far as that is known. */
function startOf({ start }: LogFindings): number {
  return typeof start === 'number' ? start : 0
}

function firstOffsetOf(log: LogFindings): number {
  const { segments, listedFrom } = log
  return Math.max(segments[0]?.segment.baseOffset ?? listedFrom ?? 0, startOf(log))
}

function nextOffsetOf(log: LogFindings): number {
  return Math.max(endOf(log), startOf(log))
}

/** The offset after the last record of the segments. */
function endOf({ segments, listedFrom }: LogFindings): number {
  return segments.at(-1)?.nextOffset ?? listedFrom ?? 0
}

/** A damaged log start can be removed. What a newer version wrote, or what is no file, is left alone. */
function startProblem(log: LogFindings, { kind, damage }: StartProblem): LogProblem {
  const after = { firstOffset: BigInt(firstOffsetOf(log)), nextOffset: BigInt(nextOffsetOf(log)) }
  const repairs: PossibleRepair[] =
    kind === 'log-start' ? [{ kind: 'remove-log-start', ...after, readableRecordsLost: 0 }] : []
  return { kind, ...damage, repairs }
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
