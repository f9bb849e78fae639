/** Lists the segments of a log and draws them. */
import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { FileSystem } from '@sq/sim'
import type { LogReport } from '@sq/storage'
import { CommandError } from '../command-error.ts'
import type { Selection } from '../log-selection.ts'
import type { LocatedLog } from '../log-source.ts'
import { messageOf } from '../message-of.ts'
import { colors, counted, formatBytes, printLine, printLines, writeJson } from '../output.ts'
import { classifiedParts } from '../overview/classified-parts.ts'
import { drawHeatMap, terminal } from '../overview/heat-map.ts'
import { LogOverview } from '../overview/log-overview.ts'
import { progressBar } from '../progress.ts'
import { UsageError } from '../usage-error.ts'
import { reportOnEachLog } from './each-log.ts'
import { listedSegments } from './listed-segments.ts'
import { drawBars, drawSvg, fitsBars } from './picture.ts'
import type { Bar, Stretch } from './picture.ts'
import { sizeOfSegments } from './segment-files.ts'
import { writeSegmentTable } from './segment-table.ts'
import type { SegmentRow } from './segment-table.ts'
import { verifyWithProgress } from './verify.ts'

/** A log up to this size is read, to draw its commits and to tell damage from a torn tail. */
const MAX_BYTES_READ = 256_000_000

/** More cells than any terminal has. */
const OVERVIEW_LIMITS = { cells: 8192, timeBuckets: 4096, pauses: 3, keys: 1 }

/** The file name that means standard output. */
const STANDARD_OUTPUT = '-'

export interface SegmentsOptions {
  readonly json?: boolean
  readonly svg?: string
}

/** What is known of the segments of a log. */
interface Described {
  readonly rows: readonly SegmentRow[]
  /** Null if the log was not read. */
  readonly report: LogReport | null
}

/** Resolves with the exit status. */
export async function segments(selection: Selection, { json = false, svg }: SegmentsOptions): Promise<number> {
  if (svg !== undefined) return segmentsWithFigure(selection, { json, svg })
  return reportOnEachLog(selection, json, {
    describe: describeSegments,
    json: ({ rows }) => rows,
    write: async ({ fs }, described) => write(described, await pictureOf(fs, described)),
    statusOf,
    isTitled: true,
  })
}

async function segmentsWithFigure(
  { single: log }: Selection,
  { json, svg }: { readonly json: boolean; readonly svg: string },
): Promise<number> {
  if (log === null) throw new UsageError('--svg draws one log; name it as TOPIC/PARTITION')
  if (json && svg === STANDARD_OUTPUT)
    throw new UsageError('--json and --svg - both write to standard output; use only one of them')
  const described = await describeSegments(log)
  const picture = await pictureOf(log.fs, described)
  const figure = drawSvg(picture.bars, `${log.topic}/${log.partition}`)
  if (svg === STANDARD_OUTPUT) {
    await printLines(figure.map((line) => [line]))
    return statusOf(described)
  }
  if (json) await writeJson(described.rows)
  else await write(described, picture)
  await draw(svg, figure)
  return statusOf(described)
}

async function describeSegments(log: LocatedLog): Promise<Described> {
  const { fs } = log
  const directory = resolve(log.config.dataDir, log.topic, String(log.partition))
  const isRead = (await sizeOfSegments(fs, directory)) <= MAX_BYTES_READ
  const report = isRead ? await verifyWithProgress(log) : null
  return { rows: await listedSegments(log, report), report }
}

async function write({ rows, report }: Described, { bars, overview }: Picture): Promise<void> {
  if (rows.length === 0) await printLine('the log is empty: it has no segments')
  else await writeSegmentTable(rows)
  const shown = terminal()
  const drawing = fitsBars(bars, shown.columns) ? drawBars(bars, shown.columns) : drawHeatMap(overview, shown)
  if (bars.length > 0) await printLines([[], ...drawing])
  await printProblems(report)
}

function statusOf({ report }: Described): number {
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

interface Picture {
  readonly bars: readonly Bar[]
  readonly overview: LogOverview
}

async function pictureOf(fs: FileSystem, { rows, report }: Described): Promise<Picture> {
  const overview = new LogOverview(OVERVIEW_LIMITS)
  if (report === null) {
    for (const row of rows) overview.addUnread(row)
    return { bars: rows.map((row) => barOf(row, [{ kind: 'records', bytes: row.bytes }])), overview }
  }
  const total = rows.reduce((sum, { bytes }) => sum + bytes, 0)
  using bar = await progressBar('drawing', { total, format: formatBytes })
  const stretches = new Map<SegmentRow, Stretch[]>(rows.map((row) => [row, []]))
  let done = 0
  for await (const classified of classifiedParts(fs, rows, report.problems)) {
    const { row, part, kind } = classified
    overview.add(classified)
    stretches.get(row)?.push({ kind, bytes: part.to - part.from })
    bar.reached((done += part.to - part.from))
  }
  return { bars: Array.from(stretches, ([row, found]) => barOf(row, found)), overview }
}

function barOf({ baseOffset, state, records }: SegmentRow, stretches: readonly Stretch[]): Bar {
  return { name: String(baseOffset), state, records, stretches }
}

async function draw(path: string, svg: readonly string[]): Promise<void> {
  try {
    await writeFile(path, `${svg.join('\n')}\n`)
  } catch (error) {
    throw new CommandError(`cannot write the drawing: ${messageOf(error)}`)
  }
}
