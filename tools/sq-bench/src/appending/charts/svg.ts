/** Elements of the SVG charts. They are dark where the reader prefers it. */
import type { Contender } from '../contender.ts'

const COLORS: Readonly<Record<Contender['kind'], readonly string[]>> = {
  ours: ['#0b6e4f', '#35a37c'],
  limit: ['#39434d', '#66717c', '#87919b'],
  peer: ['#b3402a', '#d9822b', '#a88700', '#8a5a44', '#a8714f', '#c2185b', '#d65f95', '#7b4fa3', '#9a6fc4'],
  native: ['#1d5fa8', '#3d9bd9'],
}
const FONTS = 'system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif'
const GRID = '#d5dade'
const INK = '#1c2329'
const PAPER = '#fff'

/** Replaces the colours of paper, ink and grid on a dark page, and makes the darkest of the others lighter. */
const DARK = [
  `svg,[fill="${INK}"]{fill:#e3e9ef}`,
  `[stroke="${INK}"]{stroke:#e3e9ef}`,
  `[fill="${PAPER}"]{fill:#12171d}`,
  `[stroke="${GRID}"]{stroke:#323d49}`,
  '[fill="#39434d"],[fill="#66717c"]{fill:#9aa7b4}',
  '[stroke="#39434d"],[stroke="#66717c"]{stroke:#9aa7b4}',
  '[fill="#0b6e4f"]{fill:#35a37c}',
  '[stroke="#0b6e4f"]{stroke:#35a37c}',
].join('')

/** A colour per contender. Contenders of one kind have similar hues. */
export function colorsOf(contenders: readonly Contender[]): ReadonlyMap<Contender, string> {
  const used = new Map<Contender['kind'], number>()
  return new Map(
    contenders.map((contender) => {
      const colors = COLORS[contender.kind]
      const index = used.get(contender.kind) ?? 0
      used.set(contender.kind, index + 1)
      return [contender, colors[index % colors.length] ?? GRID]
    }),
  )
}

export function drawing(
  { width, height, title }: { width: number; height: number; title: string },
  body: string,
): string {
  const size = `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`
  const style = `font-family="${FONTS}" font-size="12" fill="${INK}" role="img"`
  const dark = `<style>@media (prefers-color-scheme:dark){${DARK}}</style><title>${escaped(title)}</title>`
  const background = `<rect width="${width}" height="${height}" rx="8" fill="${PAPER}"/>`
  const heading = `<text x="16" y="26" font-size="15" font-weight="bold">${escaped(title)}</text>`
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} ${style}>\n${dark}${background}${heading}\n${body}\n</svg>\n`
}

/** Vertically centred on `y`. */
export function text({ x, y, anchor = 'start', color, bold = false }: Point & TextStyle, content: string): string {
  const fill = color === undefined ? '' : ` fill="${color}"`
  const weight = bold ? ' font-weight="bold"' : ''
  return `<text x="${fixed(x)}" y="${fixed(y + 4)}" text-anchor="${anchor}"${fill}${weight}>${escaped(content)}</text>`
}

interface TextStyle {
  readonly anchor?: 'start' | 'middle' | 'end'
  readonly color?: string
  readonly bold?: boolean
}

export interface Point {
  readonly x: number
  readonly y: number
}

/** A line through several points. */
export function line(
  points: readonly Point[],
  { color = GRID, width = 1, dashes = '' }: { color?: string; width?: number; dashes?: string } = {},
): string {
  const path = points.map(({ x, y }, at) => `${at === 0 ? 'M' : 'L'}${fixed(x)} ${fixed(y)}`).join('')
  const dashed = dashes === '' ? '' : ` stroke-dasharray="${dashes}"`
  return `<path d="${path}" fill="none" stroke="${color}" stroke-width="${width}"${dashed}/>`
}

export function dot(
  { x, y }: Point,
  color: string,
  { radius = 3.5, hollow = false }: { radius?: number; hollow?: boolean } = {},
): string {
  const fill = hollow ? `fill="${PAPER}" stroke="${color}" stroke-width="2"` : `fill="${color}"`
  return `<circle cx="${fixed(x)}" cy="${fixed(y)}" r="${radius}" ${fill}/>`
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}

function fixed(length: number): string {
  return String(Number(length.toFixed(1)))
}
