/** Lists the segments of a log and draws them. */
import { writeFile } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import type { FileSystem } from '@sq/sim'
import { CorruptLogError, dumpSegment, listSegments } from '@sq/storage'
import type { LogReport, SegmentPart } from '@sq/storage'
import { CommandError } from '../command-error.ts'
import type { LocatedLog } from '../log-source.ts'
import { messageOf } from '../message-of.ts'
import { colors, counted, formatBytes, printLine, printLines, writeJson } from '../output.ts'
import { progressBar } from '../progress.ts'
import { UsageError } from '../usage-error.ts'
import { DamagedRanges } from './damaged-ranges.ts'
import { drawBars, drawSvg } from './picture.ts'
import type { Bar, Stretch } from './picture.ts'
import { segmentFiles, sizeOfSegments } from './segment-files.ts'
import { writeSegmentTable } from './segment-table.ts'
import type { SegmentRow } from './segment-table.ts'
import { verifyWithProgress } from './verify.ts'

/** A log up to this size is read, to draw its commits and to tell damage from a torn tail. */
const MAX_BYTES_READ = 256_000_000

/** The file name that means standard output. */
const STANDARD_OUTPUT = '-'

export interface SegmentsOptions {
  readonly json?: boolean
  readonly svg?: string
}

/** Resolves with the exit status. */
export async function segments(log: LocatedLog, { json = false, svg }: SegmentsOptions): Promise<number> {
  if (json && svg === STANDARD_OUTPUT)
    throw new UsageError('--json and --svg - both write to standard output; use only one of them')
  const { fs } = log
  const directory = resolve(log.config.dataDir, log.topic, String(log.partition))
  const isRead = (await sizeOfSegments(fs, directory)) <= MAX_BYTES_READ
  const report = isRead ? await verifyWithProgress(log) : null
  const rows = await listed(log, { directory, report })
  if (svg === STANDARD_OUTPUT) {
    await printLines(drawSvg(await barsOf(fs, rows, report), `${log.topic}/${log.partition}`).map((line) => [line]))
    return statusOf(report)
  }
  if (json) await writeJson(rows)
  else if (rows.length === 0) await printLine('the log is empty: it has no segments')
  else await writeSegmentTable(rows)
  if (!json || svg !== undefined) {
    const bars = await barsOf(fs, rows, report)
    if (!json && bars.length > 0) await printLines([[], ...drawBars(bars, process.stdout.columns || 80)])
    if (svg !== undefined) await draw(svg, drawSvg(bars, `${log.topic}/${log.partition}`))
  }
  if (!json) await printProblems(report)
  return statusOf(report)
}

function statusOf(report: LogReport | null): number {
  return report === null || report.problems.length === 0 ? 0 : 1
}

/** Prints the number of problems, which the table and the drawing do not show. */
async function printProblems(report: LogReport | null): Promise<void> {
  if (report === null) {
    const size = formatBytes(MAX_BYTES_READ)
    const what = 'commits are not drawn and damage is not detected; "sq-wal verify" detects damage'
    await printLines([[], [`the log is larger than ${size}: ${what}`]])
    return
  }
  if (report.problems.length === 0) return
  const count = colors.red(counted(report.problems.length, 'problem'))
  await printLines([[], [count, ': "sq-wal verify" reports them']])
}

/** The listed segments. If damage prevents a listing, what is known of each file. */
async function listed(
  log: LocatedLog,
  { directory, report }: { directory: string; report: LogReport | null },
): Promise<readonly SegmentRow[]> {
  try {
    return await listSegments(log.fs, log.config, log.topic, log.partition)
  } catch (error) {
    if (!(error instanceof CorruptLogError) || report === null) throw error
  }
  const damaged = new DamagedRanges(report.problems)
  const rows: SegmentRow[] = []
  for (const path of await segmentFiles(log.fs, directory)) rows.push(await describeFile(path, { log, damaged }))
  return rows
}

async function describeFile(
  path: string,
  { log: { fs, topic, partition }, damaged }: { log: LocatedLog; damaged: DamagedRanges },
): Promise<SegmentRow> {
  const baseOffset = BigInt(basename(path, '.wal'))
  const times = { minTimestampMs: null, maxTimestampMs: null }
  const row = { path, topic, partition, baseOffset, nextOffset: baseOffset, ...times, records: 0, bytes: 0 }
  for await (const part of dumpSegment(fs, path)) {
    if (part.kind !== 'bad' && part.kind !== 'preallocated' && part.kind !== 'stale') row.bytes = part.to
    if (part.kind !== 'records') continue
    row.records += part.header.recordCount
    row.nextOffset = BigInt(part.header.baseOffset + part.header.recordCount)
  }
  const lastOffset = row.records > 0 ? row.nextOffset - 1n : null
  return { ...row, lastOffset, state: damaged.has(path) ? 'damaged' : 'unknown' }
}

async function barsOf(fs: FileSystem, rows: readonly SegmentRow[], report: LogReport | null): Promise<Bar[]> {
  const total = rows.reduce((sum, { bytes }) => sum + bytes, 0)
  using bar = await progressBar('drawing', { total, format: formatBytes })
  const damaged = new DamagedRanges(report?.problems ?? [])
  const bars: Bar[] = []
  let done = 0
  for (const row of rows) {
    const stretches: Stretch[] = report === null ? [{ kind: 'records', bytes: row.bytes }] : []
    if (report !== null) {
      const isDamaged = damaged.parts(row.path)
      for await (const part of dumpSegment(fs, row.path)) {
        const kind = kindOf(part, { row, isLast: row === rows.at(-1), isDamaged: isDamaged(part) })
        // Later commits overwrite the other bytes.
        if (kind !== 'preallocated' && kind !== 'stale') stretches.push({ kind, bytes: part.to - part.from })
        bar.reached(done + part.to)
      }
    }
    done += row.bytes
    bars.push({ name: String(row.baseOffset), state: row.state, records: row.records, stretches })
  }
  return bars
}

/** How a part is drawn: as its own kind, as ignored bytes after the end of a segment, or as damage. */
function kindOf(
  part: SegmentPart,
  { row, isLast, isDamaged }: { row: SegmentRow; isLast: boolean; isDamaged: boolean },
): SegmentPart['kind'] | Stretch['kind'] {
  if (part.kind === 'bad') return isDamaged ? 'bad' : 'ignored-tail'
  if (part.kind === 'preallocated' || part.kind === 'stale') return isDamaged ? 'bad' : part.kind
  // The last segment can grow while a writer runs. Bytes after the end of any other segment are ignored.
  return !isLast && part.from >= row.bytes && !isDamaged ? 'ignored-tail' : part.kind
}

async function draw(path: string, svg: readonly string[]): Promise<void> {
  try {
    await writeFile(path, `${svg.join('\n')}\n`)
  } catch (error) {
    throw new CommandError(`cannot write the drawing: ${messageOf(error)}`)
  }
}
