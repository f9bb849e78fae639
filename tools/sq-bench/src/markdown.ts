/** Formats tables as aligned Markdown, for terminals as well as for pages. */
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

/** Returns a function that formats a figure with that many decimals and a unit: `1.20 x`. */
export function decimals(digits: number, unit = ''): (figure: number) => string {
  return (figure) => figure.toFixed(digits) + unit
}

/** Rounds to a whole number, with thousands separators: `1,234`. */
export function thousands(count: number): string {
  return Math.round(count).toLocaleString('en-US')
}
