/** The cells of a log, as a page has them. */
import type { CellData } from '../report/log-data.ts'

export const EMPTY: CellData = [0, 0, 0, 0, 0, null, null, null, null]

export function joined(left: CellData, right: CellData): CellData {
  return [
    left[0] + right[0],
    left[1] + right[1],
    left[2] + right[2],
    left[3] + right[3],
    left[4] + right[4],
    left[5] ?? right[5],
    right[6] ?? left[6],
    extreme(Math.min, left[7], right[7]),
    extreme(Math.max, left[8], right[8]),
  ]
}

function extreme(
  choose: (left: number, right: number) => number,
  left: number | null,
  right: number | null,
): number | null {
  return left === null || right === null ? (left ?? right) : choose(left, right)
}

/** A cell at its place in the log, in bytes from its beginning. */
export interface Placed {
  readonly from: number
  readonly to: number
  readonly cell: CellData
}

/** The bytes `[from, to)` of a log as `count` columns. */
export function columns(
  cells: readonly CellData[],
  { from, to, count }: { from: number; to: number; count: number },
): Placed[] {
  const width = (to - from) / count
  const made = Array.from({ length: count }, (_, at) => ({
    from: from + at * width,
    to: from + (at + 1) * width,
    cell: EMPTY,
  }))
  let start = 0
  for (const cell of cells) {
    const end = start + cell[0]
    if (end > from && start < to) {
      const first = Math.min(Math.max(Math.floor((start - from) / width), 0), count - 1)
      const last = Math.min(Math.max(Math.ceil((end - from) / width) - 1, first), count - 1)
      for (let at = first; at <= last; at++) {
        const column = made[at]
        if (column !== undefined) column.cell = joined(column.cell, cell)
      }
    }
    start = end
  }
  return made
}

export type Measure = 'bytes' | 'records'

/** The mean of the commits of a cell; null if it has none. */
export function mean([size, commits, records, damaged, ignored]: CellData, measure: Measure): number | null {
  if (commits === 0) return null
  return (measure === 'bytes' ? size - damaged - ignored : records) / commits
}
