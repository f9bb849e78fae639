/** Draws the latency chart: a panel for each of two scenarios, a row per contender, a logarithmic axis. */
import { median } from '../../measure.ts'
import type { Contender } from '../contender.ts'
import type { Measurement, Result } from '../results.ts'
import type { Scenario } from '../scenarios.ts'
import { logScale } from './log-scale.ts'
import { dot, drawing, line, text } from './svg.ts'

/** One producer, and many. The tables have the others. */
const SHOWN: readonly string[] = ['seq1', 'c64']

const WIDTH = 900
const PLOT = { left: 280, right: 700 }
const FIGURES_AT = 884
const ROW = 19
const HEAD = 30
const FOOT = 34
const TOP = 66

/** In milliseconds. Each percentile is the median over the rounds. */
type Latencies = readonly [p50: number, p99: number, p999: number]

export function drawLatency(results: readonly Result[], colors: ReadonlyMap<Contender, string>): string {
  let y = TOP
  const scenarios = new Set(results.map(({ scenario }) => scenario).filter(({ name }) => SHOWN.includes(name)))
  const panels = Array.from(scenarios, (scenario) => {
    const panel = results.filter((result) => result.scenario === scenario)
    const drawn = drawPanel(titleOf(scenario), panel, { top: y, colors })
    y += HEAD + panel.length * ROW + FOOT
    return drawn
  })
  const legend = [
    dot({ x: 22, y: 46 }, '#1c2329'),
    text({ x: 32, y: 46 }, 'median'),
    dot({ x: 92, y: 46 }, '#1c2329', { hollow: true }),
    text({ x: 102, y: 46 }, '99 %'),
    line(
      [
        { x: 148, y: 40 },
        { x: 148, y: 52 },
      ],
      { color: '#1c2329', width: 3 },
    ),
    text({ x: 158, y: 46 }, '99.9 %'),
  ]
  const size = { width: WIDTH, height: y, title: 'Latency of durable appends of 256-byte values, in milliseconds' }
  return drawing(size, [...legend, ...panels].join('\n'))
}

function drawPanel(
  name: string,
  panel: readonly Result[],
  { top, colors }: { top: number; colors: ReadonlyMap<Contender, string> },
): string {
  const latencies = panel.map(({ rounds }) => latenciesOf(rounds))
  const x = logScale(latencies.flat(), { from: PLOT.left, to: PLOT.right })
  const bottom = top + HEAD + panel.length * ROW
  const grid = x.ticks.map((tick) => {
    const foot = { x: x.at(tick), y: bottom + 2 }
    const label = text({ x: foot.x, y: bottom + 11, anchor: 'middle' }, `${round(tick)} ms`)
    return line([{ x: foot.x, y: top + HEAD - 4 }, foot]) + label
  })
  const rows = panel.map(({ contender }, at) => {
    const y = top + HEAD + (at + 0.5) * ROW
    const color = colors.get(contender) ?? ''
    const [p50, p99, p999] = latencies[at] ?? [Number.NaN, Number.NaN, Number.NaN]
    const end = x.at(p999)
    return [
      text({ x: PLOT.left - 12, y, anchor: 'end', bold: contender.kind === 'ours' }, contender.name),
      line(
        [
          { x: x.at(p50), y },
          { x: end, y },
        ],
        { color, width: 2 },
      ),
      line(
        [
          { x: end, y: y - 5 },
          { x: end, y: y + 5 },
        ],
        { color, width: 3 },
      ),
      dot({ x: x.at(p99), y }, color, { hollow: true }),
      dot({ x: x.at(p50), y }, color),
      text({ x: FIGURES_AT, y, anchor: 'end' }, [p50, p99, p999].map((ms) => round(ms)).join(' / ')),
    ].join('')
  })
  const head = text({ x: 16, y: top + HEAD / 2, bold: true }, name)
  const unit = text({ x: FIGURES_AT, y: top + HEAD / 2, anchor: 'end' }, 'ms')
  return [head, unit, ...grid, ...rows].join('')
}

function titleOf({ name, producers }: Scenario): string {
  return `${name}: ${producers} ${producers === 1 ? 'producer' : 'producers'}`
}

function latenciesOf(rounds: readonly Measurement[]): Latencies {
  const middle = (figure: (measurement: Measurement) => number): number => {
    // A latency of 0 ms has no place on a logarithmic axis.
    return Math.max(0.001, median(rounds.map(figure)))
  }
  return [middle(({ p50 }) => p50), middle(({ p99 }) => p99), middle(({ p999 }) => p999)]
}

/** To two significant digits: `0.15`, `1.5`, `150`. */
function round(ms: number): string {
  return String(Number(ms.toPrecision(2)))
}
