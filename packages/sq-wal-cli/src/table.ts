/** Lays out a table as lines of text, in time linear in its cells: a log can have very many segments. */
import { stripVTControlCharacters } from 'node:util'

/** A column of a table. */
export interface Column {
  readonly title: string
  readonly align?: 'left' | 'right'
}

/** The lines of a table: aligned columns, separated by two spaces. Colour codes have no width. */
export function layOut(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const widths = columns.map(() => 0)
  for (const row of rows) {
    for (const [at, width] of widths.entries()) widths[at] = Math.max(width, widthOf(row[at] ?? ''))
  }
  return rows.map((row) =>
    row
      .map((cell, at) => padded(cell, widths[at] ?? 0, columns[at]?.align))
      .join('  ')
      .trimEnd(),
  )
}

function padded(cell: string, width: number, align: Column['align']): string {
  const space = ' '.repeat(width - widthOf(cell))
  return align === 'right' ? space + cell : cell + space
}

function widthOf(cell: string): number {
  return stripVTControlCharacters(cell).length
}
