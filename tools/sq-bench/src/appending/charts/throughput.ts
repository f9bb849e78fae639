/** Draws the throughput chart: values per second by number of producers. Both axes are logarithmic. */
import { thousands } from '../../markdown.ts'
import { median } from '../../measure.ts'
import type { Contender } from '../contender.ts'
import type { Result } from '../results.ts'
import { logScale, spaced } from './log-scale.ts'
import type { LogScale } from './log-scale.ts'
import { dot, drawing, line, text } from './svg.ts'
import type { Point } from './svg.ts'

const SIZE = { width: 900, height: 500 }
const PLOT = { left: 80, right: 600, top: 56, bottom: 440 }
const NAME_LEFT = 634
const LINE_HEIGHT = 16

/** One point per scenario that appends values of 256 bytes one by one. `rate` is in values per second. */
interface Line {
  readonly contender: Contender
  readonly points: readonly { producers: number; rate: number }[]
}

/** The line of a contender without group commit is dashed: its rate does not depend on the number of producers. */
export function drawThroughput(results: readonly Result[], colors: ReadonlyMap<Contender, string>): string {
  const lines = linesOf(results)
  const points = lines.flatMap((each) => each.points)
  const title = 'Durable appends of 256-byte values per second, by number of producers'
  if (points.length === 0) return drawing({ ...SIZE, title }, '')
  const x = logScale(
    points.map(({ producers }) => producers),
    { from: PLOT.left, to: PLOT.right },
  )
  const y = logScale(
    points.map(({ rate }) => rate),
    { from: PLOT.bottom, to: PLOT.top },
  )
  const ends = lines.map(({ points: own }) => y.at(own.at(-1)?.rate ?? Number.NaN))
  const names = spaced(ends, { minDistance: LINE_HEIGHT, end: PLOT.bottom + 20 })
  const drawn = lines.map(({ contender, points: own }, at) => {
    const color = colors.get(contender) ?? ''
    const places = own.map(({ producers, rate }) => ({ x: x.at(producers), y: y.at(rate) }))
    const [end = 0, name = 0] = [ends[at], names[at]]
    const ours = contender.kind === 'ours'
    const stroke = { color, width: ours ? 3 : 1.5, dashes: contender.groupCommit === 'none' ? '3 4' : '' }
    const leader = [
      { x: PLOT.right, y: end },
      { x: NAME_LEFT - 12, y: name },
      { x: NAME_LEFT - 4, y: name },
    ]
    return [
      line([...places, { x: PLOT.right, y: end }], stroke),
      ...places.map((place) => dot(place, color, { radius: ours ? 4 : 3 })),
      line(leader, { color, width: 0.7 }),
      text({ x: NAME_LEFT, y: name, color, bold: ours }, contender.name),
    ].join('')
  })
  const producers = [...new Set(points.map((point) => point.producers))]
  return drawing({ ...SIZE, title }, [gridOf({ x, y, producers }), ...drawn.toReversed()].join('\n'))
}

function linesOf(results: readonly Result[]): Line[] {
  const small = results.filter(({ scenario }) => scenario.valueBytes === 256 && scenario.batch === null)
  return [...new Set(small.map(({ contender }) => contender))].map((contender) => {
    const own = small.filter((result) => result.contender === contender)
    const points = own.map(({ scenario: { producers }, rounds }) => {
      return { producers, rate: median(rounds.map(({ valuesPerSecond }) => valuesPerSecond)) }
    })
    return { contender, points }
  })
}

function gridOf({ x, y, producers }: { x: LogScale; y: LogScale; producers: readonly number[] }): string {
  const across = y.ticks.map((tick) => {
    const [from, to]: [Point, Point] = [
      { x: PLOT.left, y: y.at(tick) },
      { x: PLOT.right, y: y.at(tick) },
    ]
    return line([from, to]) + text({ x: PLOT.left - 8, y: y.at(tick), anchor: 'end' }, thousands(tick))
  })
  const up = producers.map((count) => {
    const foot = { x: x.at(count), y: PLOT.bottom }
    const label = text({ x: foot.x, y: PLOT.bottom + 16, anchor: 'middle' }, thousands(count))
    return line([foot, { x: foot.x, y: PLOT.top }]) + label
  })
  const middle = (PLOT.left + PLOT.right) / 2
  return [...across, ...up, text({ x: middle, y: PLOT.bottom + 40, anchor: 'middle' }, 'producers')].join('')
}
