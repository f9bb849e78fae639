/** Reads a log from its first byte to its last, verifies it, and keeps what a page shows of it: of bounded size. */
import { basename } from 'node:path'
import type { LogNote, LogProblem, LogReport } from '@sq/storage'
import type { LocatedLog } from '../log-source.ts'
import { formatBytes } from '../output.ts'
import type { Cell } from '../overview/cells.ts'
import { classifiedParts } from '../overview/classified-parts.ts'
import { LogOverview } from '../overview/log-overview.ts'
import { progressBar } from '../progress.ts'
import type { SegmentRow } from '../run/segment-table.ts'
import { listedSegments } from '../run/listed-segments.ts'
import { verifyWithProgress } from '../run/verify.ts'
import type { CellData, Cut, LogData, ProblemData, SegmentData } from './log-data.ts'

const MAX_PAUSES = 10
const MAX_KEYS_COUNTED = 10_000
const MAX_KEYS_SHOWN = 20
/** Problems, and notes. */
const MAX_FINDINGS = 200
/** The newest ones are shown. */
const MAX_SEGMENTS = 200

export interface PageLimits {
  /** The most cells and time buckets of a log. */
  readonly cells: number
  readonly limitBytes: number | null
}

export async function readLogData(log: LocatedLog, { cells, limitBytes }: PageLimits): Promise<LogData> {
  const report = await verifyWithProgress(log)
  const rows = await listedSegments(log, report)
  const overview = await overviewOf(log, { rows, report, cells })
  const { widthMs, buckets } = overview.times
  return {
    name: `${log.topic}/${log.partition}`,
    records: report.records,
    bytes: report.bytes,
    firstOffset: Number(report.firstOffset),
    nextOffset: Number(report.nextOffset),
    minTimestampMs: buckets.length === 0 ? null : overview.cells.reduce(least, Infinity),
    maxTimestampMs: buckets.length === 0 ? null : overview.cells.reduce(most, -Infinity),
    cells: overview.cells.map(asNumbers),
    bucketMs: widthMs,
    buckets: buckets.map(({ startMs, records, bytes }) => [startMs, records, Math.round(bytes)]),
    pauses: overview.pauses,
    outOfOrder: overview.outOfOrder,
    histograms: overview.histograms(),
    keys: overview.keys(MAX_KEYS_SHOWN),
    segments: { shown: rows.slice(-MAX_SEGMENTS).map(segmentOf), total: rows.length },
    problems: cut(report.problems, problemOf),
    notes: cut(report.notes, noteOf),
    limitBytes,
  }
}

async function overviewOf(
  { fs, topic, partition }: LocatedLog,
  { rows, report, cells }: { rows: readonly SegmentRow[]; report: LogReport; cells: number },
): Promise<LogOverview> {
  const overview = new LogOverview({ cells, timeBuckets: cells, pauses: MAX_PAUSES, keys: MAX_KEYS_COUNTED })
  const total = rows.reduce((sum, { bytes }) => sum + bytes, 0)
  using bar = await progressBar(`reading ${topic}/${partition}`, { total, format: formatBytes })
  let done = 0
  for await (const classified of classifiedParts(fs, rows, report.problems)) {
    overview.add(classified)
    bar.reached((done += classified.part.to - classified.part.from))
  }
  return overview
}

function cut<T, U>(all: readonly T[], shown: (item: T) => U): Cut<U> {
  return { shown: all.slice(0, MAX_FINDINGS).map(shown), total: all.length }
}

function asNumbers(cell: Cell): CellData {
  const { bytes, commits, records, damagedBytes, ignoredBytes } = cell
  const { firstOffset, lastOffset, minTimestampMs, maxTimestampMs } = cell
  return [bytes, commits, records, damagedBytes, ignoredBytes, firstOffset, lastOffset, minTimestampMs, maxTimestampMs]
}

function segmentOf({
  path,
  state,
  records,
  bytes,
  baseOffset,
  minTimestampMs,
  maxTimestampMs,
}: SegmentRow): SegmentData {
  const firstOffset = Number(baseOffset)
  return { file: basename(path), state, records, bytes, firstOffset, minTimestampMs, maxTimestampMs }
}

function problemOf({ kind, path, from, to, firstOffset, lastOffset, reason }: LogProblem): ProblemData {
  const last = lastOffset === null ? null : Number(lastOffset)
  return { kind, file: basename(path), from, to, firstOffset: Number(firstOffset), lastOffset: last, reason }
}

function noteOf({ path, text, files }: LogNote): string {
  return files > 1 ? text : `${basename(path)}: ${text}`
}

function least(before: number, { minTimestampMs }: Cell): number {
  return Math.min(before, minTimestampMs ?? Infinity)
}

function most(before: number, { maxTimestampMs }: Cell): number {
  return Math.max(before, maxTimestampMs ?? -Infinity)
}
