/**
 * Draws a log of any size as lines of text for a terminal: its bytes in order, with the mean size of commits as shade,
 * and when they were written. Damage is drawn whatever it shares a cell with.
 */
import { colors, formatBytes, formatCount, formatDuration, formatTime } from '../output.ts'
import type { Painted, Piece } from '../output.ts'
import { EMPTY_CELL, joined } from './cells.ts'
import type { Cell } from './cells.ts'
import type { LogOverview } from './log-overview.ts'

const MAX_LINES = 24
const MIN_WIDTH = 10
/** A terminal with fewer columns has no room for times. */
const MIN_COLUMNS_FOR_TIMES = 70
const MAX_PAUSES_SHOWN = 3

/** From the smallest to the largest. */
const LETTERS = { shades: [':', '=', '*', '#'], heights: [':', '=', '*', '#'] }
const BLOCKS = { shades: ['░', '▒', '▓', '█'], heights: ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] }

export interface Terminal {
  readonly columns: number
  /** Whether it can show block characters. */
  readonly hasBlocks: boolean
}

/** The terminal of stdout: its width, and whether the locale is one of UTF-8. */
export function terminal(env: NodeJS.ProcessEnv = process.env): Terminal {
  const locale = env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || ''
  return { columns: process.stdout.columns || 80, hasBlocks: /utf-?8/i.test(locale) }
}

/** Of a log that is not empty. */
export function drawHeatMap(overview: LogOverview, { columns, hasBlocks }: Terminal): readonly (readonly Piece[])[] {
  const { cells } = overview
  const letters = hasBlocks ? BLOCKS : LETTERS
  const hasTimes = columns >= MIN_COLUMNS_FOR_TIMES
  const all = cells.reduce(joined, EMPTY_CELL)
  const names = Math.max(formatCount(all.lastOffset ?? 0).length, 'time'.length)
  const times = hasTimes ? formatTime(all.maxTimestampMs).length + 2 : 0
  const width = Math.max(columns - names - 2 - times, MIN_WIDTH)
  const count = Math.min(Math.max(Math.ceil(Math.max(all.commits, cells.length) / width), 1), MAX_LINES)
  const drawn = resampled(cells, width * count)
  const scale = scaleOf(drawn, letters.shades)
  const lines = Array.from({ length: count }, (_, line): Piece[] => {
    const row = drawn.slice(line * width, (line + 1) * width)
    const { firstOffset, minTimestampMs } = row.reduce(joined, EMPTY_CELL)
    const name = firstOffset === null ? '' : formatCount(firstOffset)
    const time = hasTimes ? [`  ${formatTime(minTimestampMs)}`] : []
    return [`${name.padStart(names)}  `, ...row.map((cell) => paintedCell(cell, scale)), ...time]
  })
  return [...lines, [], legendOf(all, scale), ...timesOf(overview, { all, names, width, heights: letters.heights })]
}

/** Shades, each for the values up to a bound. */
interface Scale {
  readonly what: string
  readonly steps: readonly { readonly letter: string; readonly to: number }[]
}

/** Bounds at equal ratios between the smallest and the largest value. */
function scaleOf(cells: readonly Cell[], letters: readonly string[]): Scale {
  let [least, most] = [Infinity, 0]
  for (const cell of cells) {
    const value = valueOf(cell)
    if (value === null) continue
    least = Math.min(least, value)
    most = Math.max(most, value)
  }
  const what = cells.some(({ commits }) => commits > 0) ? 'bytes a commit' : 'bytes a record'
  const ratio = most / least
  const steps = letters.map((letter, at) => ({ letter, to: least * ratio ** ((at + 1) / letters.length) }))
  return { what, steps: ratio > 1 && most > 0 ? steps : [{ letter: letters[0] ?? '', to: most }] }
}

/** What the shade of a cell shows; null if there is nothing to shade. */
function valueOf({ bytes, damagedBytes, ignoredBytes, commits, records }: Cell): number | null {
  const count = commits > 0 ? commits : records
  return count === 0 ? null : (bytes - damagedBytes - ignoredBytes) / count
}

function paintedCell(cell: Cell, { steps }: Scale): Painted {
  if (cell.damagedBytes > 0) return colors.red('x')
  if (cell.ignoredBytes > 0) return colors.yellow('.')
  const value = valueOf(cell)
  if (value === null) return colors.dim('-')
  return colors.cyan((steps.find(({ to }) => value <= to) ?? steps.at(-1))?.letter ?? '')
}

function legendOf(all: Cell, { what, steps }: Scale): Piece[] {
  const shades = steps.flatMap(({ letter, to }): Piece[] => [
    '  ',
    colors.cyan(letter),
    ` to ${formatBytes(Math.ceil(to))}`,
  ])
  const others: Piece[] = ['  ', colors.dim('-'), ' no record']
  if (all.ignoredBytes > 0) others.push('  ', colors.yellow('.'), ' torn or ignored')
  if (all.damagedBytes > 0) others.push('  ', colors.red('x'), ' damaged')
  return [`${what}:`, ...(all.records > 0 ? shades : []), ...others]
}

/** When the bytes were written, and the longest pauses, which can be too short to be seen. */
function timesOf(
  { times, pauses }: LogOverview,
  { all, names, width, heights }: { all: Cell; names: number; width: number; heights: readonly string[] },
): Piece[][] {
  const [first, last] = [times.buckets[0], times.buckets.at(-1)]
  if (first === undefined || last === undefined || first === last) return []
  const spanMs = last.startMs + times.widthMs - first.startMs
  const sums = Array.from({ length: width }, () => 0)
  for (const { startMs, bytes } of times.buckets) {
    const at = Math.min(Math.floor((width * (startMs - first.startMs)) / spanMs), width - 1)
    sums[at] = (sums[at] ?? 0) + bytes
  }
  const most = sums.reduce((left, right) => Math.max(left, right), 0)
  const line = sums.map((sum) => {
    return sum === 0 ? ' ' : (heights[Math.min(Math.floor((heights.length * sum) / most), heights.length - 1)] ?? '')
  })
  const longest = pauses[0] === undefined ? 0 : pauses[0].toMs - pauses[0].fromMs
  const shown = pauses
    .slice(0, MAX_PAUSES_SHOWN)
    .filter(({ fromMs, toMs }) => 10 * (toMs - fromMs) >= longest)
    .map(({ offset, fromMs, toMs }) => `${formatDuration(toMs - fromMs)} before offset ${formatCount(offset)}`)
  return [
    [],
    [`${'time'.padStart(names)}  `, colors.cyan(line.join(''))],
    [' '.repeat(names + 2), `${formatTime(all.minTimestampMs)} to ${formatTime(all.maxTimestampMs)}`],
    ...(shown.length === 0 ? [] : [[`longest pauses: ${shown.join(', ')}`]]),
  ]
}

/** The cells of a row as `count` cells of the same number of bytes. A cell that reaches into several counts in each. */
function resampled(cells: readonly Cell[], count: number): Cell[] {
  const total = cells.reduce((sum, { bytes }) => sum + bytes, 0)
  const drawn: Cell[] = Array.from({ length: count }, () => EMPTY_CELL)
  let at = 0
  for (const cell of cells) {
    const first = Math.min(Math.floor((count * at) / total), count - 1)
    at += cell.bytes
    const last = Math.min(Math.max(Math.ceil((count * at) / total) - 1, first), count - 1)
    for (let index = first; index <= last; index++) drawn[index] = joined(drawn[index] ?? EMPTY_CELL, cell)
  }
  return drawn
}
