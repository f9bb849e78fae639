/** Lists the logs in a data directory. */
import { listSegments, WalReader } from '@sq/storage'
import type { SegmentInfo } from '@sq/storage'
import type { Selection } from '../log-selection.ts'
import type { LocatedLog } from '../log-source.ts'
import { counted, formatBytes, formatCount, formatTime, printNotice, writeJson, writeTable } from '../output.ts'
import { progressBar } from '../progress.ts'
import { failureOf, printFailure } from './log-failure.ts'
import type { LogFailure } from './log-failure.ts'

export interface LsOptions {
  readonly json?: boolean
  readonly sort: SortKey
}

export type SortKey = 'name' | 'size' | 'records' | 'segments' | 'last'

/** Names in their order; the others with the largest or the latest first. */
const ORDERS: Readonly<Record<SortKey, ((log: LogLine) => number) | null>> = {
  name: null,
  size: ({ bytes }) => bytes,
  records: ({ records }) => records,
  segments: ({ segments }) => segments,
  last: ({ maxTimestampMs }) => maxTimestampMs ?? -1,
}

/** The description of a log. */
interface LogLine {
  readonly topic: string
  readonly partition: number
  readonly segments: number
  readonly records: number
  readonly bytes: number
  readonly firstOffset: bigint
  readonly nextOffset: bigint
  readonly minTimestampMs: number | null
  readonly maxTimestampMs: number | null
}

/** Resolves with the exit status. */
export async function ls(selection: Selection, { json = false, sort }: LsOptions): Promise<number> {
  const found: (LogLine | LogFailure)[] = []
  const partitions = await selection.list()
  using bar = await progressBar('looking', { total: partitions.length, format: (count) => counted(count, 'log') })
  for (const log of partitions) {
    bar.reached(found.length)
    try {
      if (log.error !== undefined) throw log.error
      const segments = await listSegments(log.fs, log.config, log.topic, log.partition)
      found.push(lineOf(log, segments, await startOf(log, segments)))
    } catch (error) {
      found.push(failureOf(log, error))
    }
  }
  bar.stop()
  const logs = sorted(found, sort)
  if (json) await writeJson(logs)
  else await writeLogs(logs)
  // An empty list can mean that the data directory is wrong.
  if (logs.length === 0) printNotice(selection.describeNone())
  return logs.some((log) => 'error' in log) ? 1 : 0
}

/** Logs that could not be read come last. */
function sorted(logs: readonly (LogLine | LogFailure)[], sort: SortKey): readonly (LogLine | LogFailure)[] {
  const order = ORDERS[sort]
  if (order === null) return logs
  const rank = (log: LogLine | LogFailure): number => ('error' in log ? -Infinity : order(log))
  return logs.toSorted((left, right) => rank(right) - rank(left))
}

/** In an archive, a log begins with its first segment. A reader would read the last segment once more to tell. */
async function startOf(
  { fs, config, archive, topic, partition }: LocatedLog,
  segments: readonly SegmentInfo[],
): Promise<bigint> {
  if (archive !== null) return segments[0]?.baseOffset ?? 0n
  const reader = await WalReader.open(fs, config, topic, partition)
  return (await reader.bounds()).logStartOffset
}

function lineOf(
  { topic, partition }: { topic: string; partition: number },
  segments: readonly SegmentInfo[],
  firstOffset: bigint,
): LogLine {
  const nextOffset = segments.at(-1)?.nextOffset ?? firstOffset
  let minTimestampMs = Infinity
  let maxTimestampMs = -Infinity
  for (const segment of segments) {
    minTimestampMs = Math.min(minTimestampMs, segment.minTimestampMs ?? Infinity)
    maxTimestampMs = Math.max(maxTimestampMs, segment.maxTimestampMs ?? -Infinity)
  }
  return {
    topic,
    partition,
    segments: segments.length,
    // The first segment may hold records that are deleted.
    records: Number(nextOffset - firstOffset),
    bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
    firstOffset,
    nextOffset,
    minTimestampMs: minTimestampMs === Infinity ? null : minTimestampMs,
    maxTimestampMs: maxTimestampMs === -Infinity ? null : maxTimestampMs,
  }
}

async function writeLogs(logs: readonly (LogLine | LogFailure)[]): Promise<void> {
  const right = { align: 'right' } as const
  const columns = [
    { title: 'LOG' },
    { title: 'SEGMENTS', ...right },
    { title: 'RECORDS', ...right },
    { title: 'SIZE', ...right },
    { title: 'OFFSETS', ...right },
    { title: 'FIRST' },
    { title: 'LAST' },
  ]
  const lines = logs.filter((log): log is LogLine => !('error' in log))
  const total = lines.length > 1 ? [totalOf(lines)] : []
  if (lines.length > 0) await writeTable(columns, [...lines.map(rowOf), ...total])
  for (const log of logs) if ('error' in log) printFailure(log)
}

/** The last row: of the columns that can be added up. */
function totalOf(lines: readonly LogLine[]): string[] {
  const sum = (of: (line: LogLine) => number): number => lines.reduce((total, line) => total + of(line), 0)
  const [segments, records] = [sum((line) => line.segments), sum((line) => line.records)]
  return [
    counted(lines.length, 'log'),
    formatCount(segments),
    formatCount(records),
    formatBytes(sum(({ bytes }) => bytes)),
  ]
}

function rowOf(log: LogLine): string[] {
  const { records, firstOffset, nextOffset } = log
  return [
    `${log.topic}/${log.partition}`,
    formatCount(log.segments),
    formatCount(records),
    formatBytes(log.bytes),
    firstOffset === nextOffset ? `${firstOffset}` : `${firstOffset}-${nextOffset - 1n}`,
    formatTime(log.minTimestampMs),
    formatTime(log.maxTimestampMs),
  ]
}
