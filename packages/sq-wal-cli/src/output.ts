/** What the commands write to stdout: tables for people, JSON for machines. */
import pc from 'picocolors'

/** For stdout: they do nothing where it is no terminal, or NO_COLOR is set. */
export const colors: ReturnType<typeof pc.createColors> = pc.createColors(
  process.stdout.isTTY ? pc.isColorSupported : false,
)

/** Writes a value as JSON, indented. Offsets become numbers: they are at most 2^53 - 1. */
export function writeJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, jsonReplacer, 2)}\n`)
}

/** For `JSON.stringify`: what JSON does not know. */
export function jsonReplacer(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value
}

/** A column of a table. */
export interface Column {
  readonly title: string
  readonly align?: 'left' | 'right'
}

/** Writes rows under their titles, aligned; nothing else but spaces is drawn. */
export async function writeTable(columns: readonly Column[], rows: readonly (readonly string[])[]): Promise<void> {
  const { default: Table } = await import('cli-table3')
  const none = ''
  const table = new Table({
    head: columns.map(({ title }) => colors.dim(title)),
    colAligns: columns.map(({ align = 'left' }) => align),
    chars: {
      top: none, 'top-mid': none, 'top-left': none, 'top-right': none,
      bottom: none, 'bottom-mid': none, 'bottom-left': none, 'bottom-right': none,
      left: none, 'left-mid': none, mid: none, 'mid-mid': none, right: none, 'right-mid': none, middle: '  ',
    },
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
  })
  table.push(...rows.map((row) => [...row]))
  const lines = table.toString().split('\n')
  process.stdout.write(lines.map((line) => `${line.trimEnd()}\n`).join(''))
}

/** `12,345`. */
export function formatCount(count: number | bigint): string {
  return count.toLocaleString('en-US')
}

/** `1.5 MB`, in powers of a thousand, with three digits. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
  let [value, unit] = [bytes, 0]
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return unit === 0 ? `${value} B` : `${value.toPrecision(3)} ${units[unit]}`
}

/** `2026-11-22 20:57:52.123Z`; a dash for none. */
export function formatTime(timestampMs: number | null): string {
  if (timestampMs === null) return '-'
  const date = new Date(timestampMs)
  // Timestamps may go up to 2^53 - 1, dates do not.
  return Number.isNaN(date.getTime()) ? String(timestampMs) : date.toISOString().replace('T', ' ')
}
