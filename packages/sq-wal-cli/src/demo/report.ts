/** The result that the demo prints: plain lines and tables, the same on a terminal and in a file. */
import { basename } from 'node:path'
import type { SegmentInfo } from '@sq/storage'
import type { AppenderLife } from './run-appender.ts'

const maxSegmentRows = 20

/** Aligns columns: the first to the left, the others to the right. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) row.forEach((cell, column) => (widths[column] = Math.max(widths[column] ?? 0, cell.length)))
  const pad = (cell: string, column: number): string =>
    column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)
  return rows.map((row) => `${row.map(pad).join('  ')}\n`).join('')
}

export function formatKills(lives: readonly AppenderLife[]): string {
  const rows = lives
    .slice(1)
    .map((life, i) => [
      `${i + 1}`,
      formatNumber(lives[i]?.acknowledged ?? 0),
      formatNumber(life.from),
      life.discardedBytes === 0 ? 'none' : `${formatNumber(life.discardedBytes)} bytes`,
    ])
  return rows.length === 0 ? '' : formatTable([['kill', 'acknowledged', 'recovered', 'torn tail'], ...rows])
}

/** One row per segment. Shows only the first and the last segments if there are very many. */
export function formatSegments(segments: readonly SegmentInfo[]): string {
  const rows = segments.map(({ path, records, bytes, state }) => [
    basename(path),
    formatNumber(records),
    formatNumber(bytes),
    state,
  ])
  const left = rows.length - maxSegmentRows
  if (left > 0) rows.splice(maxSegmentRows / 2, left, [`(${left} more)`, '', '', ''])
  return formatTable([['segment', 'records', 'bytes', 'state'], ...rows])
}

/** Numbers of records and bytes over a time, as rates. */
export function formatRate(records: number, bytes: number, elapsedMs: number): string {
  const seconds = elapsedMs / 1000
  const perSecond = `${formatNumber(Math.round(records / seconds))} records/s`
  return `${perSecond}, ${(bytes / 1e6 / seconds).toFixed(1)} MB/s (${seconds.toFixed(2)} s)`
}

/** Segments that were uploaded or downloaded. */
export function formatMove(segments: number, bytes: number, elapsedMs: number): string {
  const seconds = elapsedMs / 1000
  return `${formatNumber(segments)} segments, ${(bytes / 1e6 / seconds).toFixed(1)} MB/s (${seconds.toFixed(2)} s)`
}

export function formatNumber(value: number): string {
  return value.toLocaleString('en-US')
}
