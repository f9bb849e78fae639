/** Lists the segments of a log, also of a damaged one. */
import { basename } from 'node:path'
import { CorruptLogError, dumpSegment, listSegments } from '@sq/storage'
import type { LogReport } from '@sq/storage'
import type { LocatedLog } from '../log-source.ts'
import { DamagedRanges } from './damaged-ranges.ts'
import { segmentFiles } from './segment-files.ts'
import type { SegmentRow } from './segment-table.ts'

/** The listed segments. If damage prevents a listing, what is known of each file: only with a report. */
export async function listedSegments(log: LocatedLog, report: LogReport | null): Promise<readonly SegmentRow[]> {
  try {
    return await listSegments(log.fs, log.config, log.topic, log.partition)
  } catch (error) {
    if (!(error instanceof CorruptLogError) || report === null) throw error
  }
  const damaged = new DamagedRanges(report.problems)
  const rows: SegmentRow[] = []
  for (const path of await segmentFiles(log.fs, report.directory)) rows.push(await describeFile(path, { log, damaged }))
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
