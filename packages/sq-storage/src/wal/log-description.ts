/** Makes the report of a log out of what was found in its segments, and tells which repairs are possible. */
import { join } from 'node:path'
import type { FoundProblem } from './found-problem.ts'
import type { LogNote, LogProblem, LogReport, PossibleRepair } from './log-report.ts'
import type { Partition } from './partition.ts'
import type { SegmentFindings } from './segment-check.ts'
import { isBeyondOffsets } from './segment-file.ts'
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

export function describeLog({ partition, segments, names, bound }: LogFindings): LogReport {
  const { topic, directory } = partition
  const problems = segments.flatMap((found, at) =>
    found.problems.map(({ kind, damage }, nth) => ({ kind, ...damage, repairs: possibleRepairs(segments, { at, nth }) })),
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

/** What can be done about the n-th problem of a segment. The least costly comes first. */
function possibleRepairs(
  segments: readonly SegmentFindings[],
  { at, nth }: { at: number; nth: number },
): PossibleRepair[] {
  const problem = segments[at]?.problems[nth]
  const successor = segments[at + 1]
  // What another version wrote is no damage, and nobody's to give up who cannot read it.
  if (problem === undefined || problem.kind === 'unsupported') return []
  const nextOffset = BigInt(nextOffsetOf(segments))
  const repairs: PossibleRepair[] = []
  if (successor !== undefined) {
    const readableRecordsLost = recordsIn(segments.slice(0, at + 1))
    const firstOffset = BigInt(successor.segment.baseOffset)
    repairs.push({ kind: 'drop-through', firstOffset, nextOffset, readableRecordsLost })
  }
  repairs.sort((left, right) => left.readableRecordsLost - right.readableRecordsLost)
  if (problem.restoration === null) return repairs
  const firstOffset = BigInt(firstOffsetOf(segments))
  return [{ kind: 'restore', firstOffset, nextOffset, readableRecordsLost: 0 }, ...repairs]
}

/** A found problem by what is reported of it; undefined where it is not there. */
export function foundAs(
  { segments }: LogFindings,
  problem: LogProblem,
): { found: FoundProblem; segment: SegmentFindings } | undefined {
  for (const segment of segments) {
    const found = segment.problems.find(({ kind, damage }) => kind === problem.kind && isSameRange(damage, problem))
    if (found !== undefined) return { found, segment }
  }
  return undefined
}

function isSameRange(damage: FoundProblem['damage'], problem: LogProblem): boolean {
  return (['path', 'from', 'to', 'firstOffset', 'lastOffset'] as const).every((field) => damage[field] === problem[field])
}

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
