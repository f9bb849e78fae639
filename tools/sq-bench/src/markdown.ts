/** Writes tables as Markdown that is lined up, to be read on a terminal as well as pasted into a page. */
import type { Table } from './part.ts'

export function tableToMarkdown({ title, columns, rows }: Table): string {
  const all = [columns, ...rows]
  const widths = columns.map((_, column) => Math.max(3, ...all.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]): string => {
    const cells = widths.map((width, column) => {
      const cell = row[column] ?? ''
      return column === 0 ? cell.padEnd(width) : cell.padStart(width)
    })
    return `| ${cells.join(' | ')} |`
  }
  const rule = widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`))
  return `${title}\n\n${[line(columns), line(rule), ...rows.map(line)].join('\n')}\n`
}

/** Makes what shows figures with so many digits behind the point, and a unit: `1.20 x`. */
export function decimals(digits: number, unit = ''): (figure: number) => string {
  return (figure) => figure.toFixed(digits) + unit
}

/** A whole number with its thousands set off: `1,234`. */
export function thousands(count: number): string {
  return Math.round(count).toLocaleString('en-US')
}
