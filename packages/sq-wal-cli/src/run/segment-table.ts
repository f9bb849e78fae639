/** The table of a log's segments. */
import { basename } from 'node:path'
import type { SegmentInfo } from '@sq/storage'
import { formatBytes, formatCount, formatTime, writeTable } from '../output.ts'

/** A row of the table: a listed segment, or what is known of a file that cannot be listed. */
export interface SegmentRow extends Omit<SegmentInfo, 'state' | 'createdMs' | 'link'> {
  readonly state: string
}

/** Writes one row per segment. */
export async function writeSegmentTable(listed: readonly SegmentRow[]): Promise<void> {
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
