/** Draws the results: how much is appended, and how long it takes. Each scenario has a panel, each contender a row. */
import { medianOf } from './median.ts'
import type { Result } from './main.ts'

const WIDTH = 760
const NAME_WIDTH = 260
const ROW = 18
const TITLE = 30
const PLOT = WIDTH - NAME_WIDTH - 90

/** A bar for each contender: values a second, by the largest of the panel. */
export function drawThroughput(results: readonly Result[]): string {
  return draw('Values a second, each acknowledged when durable', results, (panel) => {
    const rates = panel.map(({ rounds }) => medianOf(rounds, ({ valuesPerSecond }) => valuesPerSecond))
    const most = Math.max(...rates)
    return panel.map((result, row) => {
      const rate = rates[row] ?? 0
      const [x, y, width] = [NAME_WIDTH, TITLE + row * ROW, (PLOT * rate) / most]
      const bar = `<rect x="${x}" y="${y + 3}" width="${fixed(width)}" height="${ROW - 6}" fill="${colorOf(result)}"/>`
      return bar + text(x + width + 6, y, Math.round(rate).toLocaleString('en-US'))
    })
  })
}

/** For each contender a line from the median to the 99.9th percentile, with a mark at the 99th; logarithmic. */
export function drawLatency(results: readonly Result[]): string {
  return draw('Time to the acknowledgement: p50, p99 and p99.9, in ms', results, (panel) => {
    const figures = panel.map(({ rounds }) => [
      medianOf(rounds, ({ p50 }) => p50),
      medianOf(rounds, ({ p99 }) => p99),
      medianOf(rounds, ({ p999 }) => p999),
    ])
    const logs = figures.flat().map((ms) => Math.log10(Math.max(ms, 0.001)))
    const [least, most] = [Math.min(...logs), Math.max(...logs)]
    const scale = PLOT / (most - least || 1)
    const x = (ms: number): number => NAME_WIDTH + scale * (Math.log10(Math.max(ms, 0.001)) - least)
    return panel.map((result, row) => {
      const y = TITLE + row * ROW
      const [p50 = 0, p99 = 0, p999 = 0] = figures[row] ?? []
      const color = colorOf(result)
      const line = `<path d="M${fixed(x(p50))} ${y + ROW / 2}H${fixed(x(p999))}" stroke="${color}" stroke-width="3"/>`
      const dot = (ms: number): string => `<circle cx="${fixed(x(ms))}" cy="${y + ROW / 2}" r="4" fill="${color}"/>`
      return line + dot(p50) + dot(p99) + dot(p999) + text(x(p999) + 8, y, [p50, p99, p999].map((ms) => ms.toPrecision(2)).join(' / '))
    })
  })
}

/** `rows` draws what stands beside the names of a panel. */
function draw(title: string, results: readonly Result[], rows: (panel: readonly Result[]) => string[]): string {
  const names = [...new Set(results.map(({ scenario }) => scenario.name))]
  let y = 34
  const panels = names.map((name) => {
    const panel = results.filter(({ scenario }) => scenario.name === name)
    const labels = panel.map(({ contender }, row) => text(NAME_WIDTH - 8, TITLE + row * ROW, contender.name, 'end'))
    const head = `<text x="0" y="20" font-weight="bold">${name}</text>`
    const drawn = `<g transform="translate(10 ${y})">${head}${labels.join('')}${rows(panel).join('')}</g>`
    y += TITLE + panel.length * ROW + 10
    return drawn
  })
  const size = `width="${WIDTH + 80}" height="${y}" viewBox="0 0 ${WIDTH + 80} ${y}"`
  const style = 'font-family="system-ui, sans-serif" font-size="12"'
  const background = '<rect width="100%" height="100%" fill="#fff"/>'
  const heading = `<text x="10" y="22" font-size="15">${title}</text>`
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} ${style}>${background}${heading}${panels.join('\n')}</svg>\n`
}

/** On the line of a row. */
function text(x: number, y: number, content: string, anchor: 'start' | 'end' = 'start'): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<text x="${fixed(x)}" y="${y + 13}" text-anchor="${anchor}">${escaped}</text>`
}

function colorOf({ contender }: Result): string {
  return { ours: '#0b6e4f', limit: '#9aa5b1', peer: '#c26e2d' }[contender.kind]
}

function fixed(length: number): string {
  return length.toFixed(1)
}
