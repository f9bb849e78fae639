/** Lists the segments of a log, and draws them. */
import { writeFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { NodeFileSystem } from '@sq/sim'
import { dumpSegment, listSegments } from '@sq/storage'
import type { SegmentInfo } from '@sq/storage'
import type { DataDirOption, LogName } from '../log-name.ts'
import { formatBytes, formatCount, formatTime, writeJson, writeTable } from '../output.ts'
import { progressBar } from '../progress.ts'
import { drawBars, drawSvg } from './picture.ts'
import type { Bar, Stretch } from './picture.ts'

/** Up to so many bytes a log is read, to draw its commits. */
const MAX_BYTES_READ = 256_000_000

export interface SegmentsOptions extends DataDirOption {
  readonly json?: boolean
  readonly svg?: string
}

export async function segments(log: LogName, { json = false, svg }: SegmentsOptions): Promise<void> {
  const fs = new NodeFileSystem()
  const listed = await listSegments(fs, log.config, log.topic, log.partition)
  if (json) writeJson(listed)
  else await writeSegments(listed)
  if (json && svg === undefined) return
  const bars = await barsOf(fs, listed)
  if (!json && bars.length > 0) {
    process.stdout.write(`\n${drawBars(bars, process.stdout.columns || 80)}`)
  }
  if (svg !== undefined) await writeFile(svg, drawSvg(bars, `${log.topic}/${log.partition}`))
}

async function writeSegments(listed: readonly SegmentInfo[]): Promise<void> {
  if (listed.length === 0) process.stdout.write('the log is empty: it has no segment\n')
  else await writeSegmentTable(listed)
}

/** A row for each segment. */
export async function writeSegmentTable(listed: readonly SegmentInfo[]): Promise<void> {
  const right = { align: 'right' } as const
  const columns = [
    { title: 'SEGMENT' },
    { title: 'STATE' },
    { title: 'RECORDS', ...right },
    { title: 'SIZE', ...right },
    { title: 'OFFSETS', ...right },
    { title: 'FIRST' },
    { title: 'LAST' },
  ]
  await writeTable(
    columns,
    listed.map((segment) => [
      basename(segment.path),
      segment.state,
      formatCount(segment.records),
      formatBytes(segment.bytes),
      segment.records === 0 ? `${segment.baseOffset}` : `${segment.baseOffset}-${segment.nextOffset - 1n}`,
      formatTime(segment.minTimestampMs),
      formatTime(segment.maxTimestampMs),
    ]),
  )
}

async function barsOf(fs: NodeFileSystem, listed: readonly SegmentInfo[]): Promise<Bar[]> {
  const total = listed.reduce((sum, { bytes }) => sum + bytes, 0)
  const bar = await progressBar('reading', { total, format: formatBytes })
  const bars: Bar[] = []
  let done = 0
  for (const { path, state, bytes, records } of listed) {
    const stretches: Stretch[] = total > MAX_BYTES_READ ? [{ kind: 'records', bytes }] : []
    if (total <= MAX_BYTES_READ) {
      for await (const { kind, from, to } of dumpSegment(fs, path)) {
        stretches.push({ kind: from >= bytes ? 'void' : kind, bytes: to - from })
        bar.reached(done + to)
      }
    }
    done += bytes
    bars.push({ name: basename(path, '.wal').replace(/^0+(?=\d)/, ''), state, records, stretches })
  }
  bar.stop()
  return bars
}
