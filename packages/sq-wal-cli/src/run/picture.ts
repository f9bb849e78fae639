/** Draws the segments of a log, as text for a terminal or as SVG. Both show the same. */
import { colors, counted, formatBytes } from '../output.ts'
import type { Painted, Piece } from '../output.ts'
import type { PartKind } from '../overview/classified-parts.ts'

/** A part of a segment's file: a commit, another frame, or bytes after the end of the segment. */
export interface Stretch {
  readonly kind: PartKind
  readonly bytes: number
}

/** A segment. */
export interface Bar {
  /** The base offset of the segment. */
  readonly name: string
  readonly state: string
  readonly records: number
  readonly stretches: readonly Stretch[]
}

/** Where several kinds share a cell, the first in this order is drawn. */
const LETTERS = {
  bad: 'x',
  'ignored-tail': '.',
  seal: '|',
  records: '=',
  mark: '-',
  open: '[',
  'segment-header': '[',
} as const
const KINDS: readonly Stretch['kind'][] = ['bad', 'ignored-tail', 'seal', 'records', 'mark', 'open', 'segment-header']

const PAINTS: Readonly<Record<Stretch['kind'], (text: string) => Painted>> = {
  bad: colors.red,
  'ignored-tail': colors.yellow,
  seal: colors.green,
  records: colors.cyan,
  mark: colors.dim,
  open: colors.green,
  'segment-header': colors.green,
}

const FILLS: Readonly<Record<Stretch['kind'], string>> = {
  bad: '#c0392b',
  'ignored-tail': '#e6c229',
  seal: '#27815b',
  records: '#2f7fb5',
  mark: '#b9c1c9',
  open: '#27815b',
  'segment-header': '#27815b',
}

const LEGEND: readonly (readonly [Stretch['kind'], string])[] = [
  ['open', 'head'],
  ['records', 'commits'],
  ['mark', 'mark'],
  ['seal', 'seal'],
  ['ignored-tail', 'torn or ignored'],
  ['bad', 'damaged'],
]

/** More lines are not taken in at a glance. */
const MAX_BARS = 24

/** Whether there are so few bars, and so few commits in each, that a drawing as text shows them. */
export function fitsBars(bars: readonly Bar[], columns: number): boolean {
  if (bars.length > MAX_BARS) return false
  const { room } = roomOf(bars, columns)
  return bars.every(({ stretches }) => stretches.filter(({ kind }) => kind === 'records').length <= room)
}

/** One line per segment, to scale, and a legend. */
export function drawBars(bars: readonly Bar[], columns: number): readonly (readonly Piece[])[] {
  const most = largest(bars.map(bytesOf))
  const { names, notes, room } = roomOf(bars, columns)
  const lines = bars.map((bar, at): Piece[] => {
    const cells = bytesOf(bar) === 0 ? 0 : Math.max(Math.round((room * bytesOf(bar)) / most), 1)
    return [`${bar.name.padStart(names)}  `, ...drawCells(bar, cells), `${' '.repeat(room - cells)}  ${notes[at]}`]
  })
  const used = LEGEND.filter(([kind]) =>
    bars.some(({ stretches }) => stretches.some((stretch) => stretch.kind === kind)),
  )
  const legend = used.flatMap(([kind, meaning], at): Piece[] => {
    return [at === 0 ? '' : '   ', PAINTS[kind](LETTERS[kind]), ` ${meaning}`]
  })
  return [...lines, [], legend]
}

/** How wide the names are, the texts after the bars, and how much room they leave. */
function roomOf(bars: readonly Bar[], columns: number): { names: number; notes: readonly string[]; room: number } {
  const names = largest(bars.map(({ name }) => name.length))
  const notes = bars.map((bar) => noteOn(bar))
  return { names, notes, room: Math.max(columns - names - 4 - largest(notes.map(({ length }) => length)), 10) }
}

function drawCells(bar: Bar, cells: number): Piece[] {
  const total = bytesOf(bar)
  const kinds: (Stretch['kind'] | undefined)[] = Array.from({ length: cells })
  let at = 0
  for (const { kind, bytes } of bar.stretches) {
    const first = Math.min(Math.floor((cells * at) / total), cells - 1)
    at += bytes
    const last = Math.max(Math.ceil((cells * at) / total) - 1, first)
    for (let cell = first; cell <= last; cell++) {
      const there = kinds[cell]
      if (there === undefined || KINDS.indexOf(kind) < KINDS.indexOf(there)) kinds[cell] = kind
    }
  }
  const drawn: Piece[] = []
  for (let from = 0, to = 0; from < cells; from = to) {
    const kind = kinds[from] ?? 'records'
    while (to < cells && (kinds[to] ?? 'records') === kind) to++
    drawn.push(PAINTS[kind](LETTERS[kind].repeat(to - from)))
  }
  return drawn
}

const WIDTH = 900
const ROW = 26
const LEFT = 150

/** The colours of paper and ink: dark where the reader prefers it. The other colours are readable on both. */
const STYLE =
  '<style>.paper{fill:#fff}svg{fill:#1c2733}@media (prefers-color-scheme:dark){.paper{fill:#12171d}svg{fill:#e3e9ef}}</style>'

/** The lines of an SVG file that shows the same. */
export function drawSvg(bars: readonly Bar[], title: string): readonly string[] {
  const most = Math.max(largest(bars.map(bytesOf)), 1)
  const scale = (WIDTH - LEFT - 230) / most
  const rows = bars.map((bar, row) => {
    const y = 40 + row * ROW
    let x = LEFT
    const parts = drawable(bar.stretches, scale).map(({ kind, bytes }) => {
      const width = bytes * scale
      const part = `<rect x="${x.toFixed(2)}" y="${y}" width="${Math.max(width - 0.3, 0.4).toFixed(2)}" height="16" fill="${FILLS[kind]}"/>`
      x += width
      return part
    })
    const note = noteOn(bar)
    return [
      `<text x="${LEFT - 8}" y="${y + 12}" text-anchor="end">${bar.name}</text>`,
      ...parts,
      `<text x="${(x + 8).toFixed(2)}" y="${y + 12}">${note}</text>`,
    ]
  })
  const legendY = 52 + bars.length * ROW
  const legend = LEGEND.map(([kind, meaning], at) => {
    const x = LEFT + at * 115
    return `<rect x="${x}" y="${legendY}" width="12" height="12" fill="${FILLS[kind]}"/><text x="${x + 17}" y="${legendY + 10}">${meaning}</text>`
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${legendY + 30}" font-family="sans-serif" font-size="12" role="img">`,
    STYLE,
    `<title>${escape(title)}, drawn to scale</title>`,
    `<rect width="100%" height="100%" class="paper"/>`,
    `<text x="${LEFT}" y="24" font-size="15" font-weight="bold">${escape(title)}</text>`,
    ...rows.flat(),
    ...legend,
    '</svg>',
  ]
}

/** Merges neighbours of the same kind that are too narrow to be distinguished. */
function drawable(stretches: readonly Stretch[], scale: number): Stretch[] {
  const drawn: Stretch[] = []
  for (const stretch of stretches) {
    const before = drawn.at(-1)
    const isNarrow = before?.kind === stretch.kind && Math.min(before.bytes, stretch.bytes) * scale < 1
    if (isNarrow) drawn[drawn.length - 1] = { kind: stretch.kind, bytes: before.bytes + stretch.bytes }
    else drawn.push(stretch)
  }
  return drawn
}

/** The text next to a bar. */
function noteOn(bar: Bar): string {
  return `${bar.state}, ${counted(bar.records, 'record')}, ${formatBytes(bytesOf(bar))}`
}

/** The largest of the numbers. `Math.max` cannot take that many arguments. */
function largest(numbers: readonly number[]): number {
  return numbers.reduce((most, number) => Math.max(most, number), 0)
}

function bytesOf({ stretches }: Bar): number {
  return stretches.reduce((sum, { bytes }) => sum + bytes, 0)
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
