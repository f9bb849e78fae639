/** Charts as SVG, each with its unit, a caption and a title for screen readers. */
import type { LogData } from '../report/log-data.ts'
import { element, svg } from './element.ts'
import { bytes, count, shortTime, time } from './format.ts'

const WIDTH = 440
const HEIGHT = 190
const PLOT = { left: 66, right: 430, top: 12, bottom: 162 }

/** How large the log became when, and what retention by size would keep of it. */
export function sizeOverTime(log: LogData): HTMLElement {
  const { buckets, bucketMs, limitBytes } = log
  const [startMs, endMs] = spanOf(log)
  const total = buckets.reduce((sum, [, , size]) => sum + size, 0)
  const most = Math.max(total, 1)
  const x = scale(startMs, endMs, PLOT.left, PLOT.right)
  const y = scale(0, most, PLOT.bottom, PLOT.top)
  let sum = 0
  let path = `M${PLOT.left} ${PLOT.bottom}`
  let beforeMs = startMs
  for (const [fromMs, , size] of buckets) {
    if (fromMs > beforeMs) path += `L${at(x(fromMs))} ${at(y(sum))}`
    sum += size
    beforeMs = fromMs + bucketMs
    path += `L${at(x(beforeMs))} ${at(y(sum))}`
  }
  const limit = limitBytes === null || limitBytes >= total ? [] : limitLine(y(total - limitBytes), limitBytes)
  return figure(
    'Size over time: the bytes of all commits up to a time.' +
      (limitBytes === null
        ? ''
        : limitBytes >= total
          ? ` Retention at ${bytes(limitBytes)} would delete nothing.`
          : ` Below the dashed line is what retention at ${bytes(limitBytes)} would delete, in whole segments.`),
    drawing(
      `Size over time, ${bytes(total)} at ${time(endMs)}`,
      ...yAxis(most, y, bytes),
      ...timeAxis(startMs, endMs, x),
      svg('path', { d: `${path}L${PLOT.right} ${PLOT.bottom}Z`, class: 'area' }),
      ...limit,
    ),
  )
}

function limitLine(level: number, limitBytes: number): SVGElement[] {
  return [
    svg('line', { x1: PLOT.left, x2: PLOT.right, y1: at(level), y2: at(level), class: 'limit' }),
    svg('text', { x: PLOT.left + 6, y: at(level) - 5, class: 'ink' }, `above: the last ${bytes(limitBytes)}`),
  ]
}

/** How much was written when. */
export function bytesOverTime(log: LogData): HTMLElement {
  const [startMs, endMs] = spanOf(log)
  const columns = 280
  const sums = Array.from({ length: columns }, () => 0)
  for (const [fromMs, , size] of log.buckets) {
    const share = Math.max(fromMs - startMs, 0) / (endMs - startMs)
    const column = Math.min(Math.floor(columns * share), columns - 1)
    sums[column] = (sums[column] ?? 0) + size
  }
  const seconds = (endMs - startMs) / columns / 1000
  const most = Math.max(
    sums.reduce((left, right) => Math.max(left, right), 0),
    1,
  )
  const x = scale(0, columns, PLOT.left, PLOT.right)
  const y = scale(0, most, PLOT.bottom, PLOT.top)
  const bars = sums.map((sum, column) => {
    if (sum === 0) return null
    // A bar is never too low to be seen: then it would look like a pause.
    const top = Math.min(y(sum), PLOT.bottom - 1)
    const title = `${time(startMs + column * seconds * 1000)}: ${bytes(sum)}`
    return svg(
      'rect',
      { x: at(x(column)), y: at(top), width: at(x(1) - x(0)), height: at(PLOT.bottom - top), class: 'bar' },
      svg('title', {}, title),
    )
  })
  return figure(
    'Bytes written over time: a blank is a time without a record.',
    drawing(
      `Bytes written over time, at most ${bytes(most / seconds)} a second`,
      ...yAxis(
        most / seconds,
        (rate) => y(rate * seconds),
        (rate) => `${bytes(rate)}/s`,
      ),
      ...timeAxis(startMs, endMs, scale(startMs, endMs, PLOT.left, PLOT.right)),
      ...bars.filter((bar) => bar !== null),
    ),
  )
}

/** How many there are in each class, of which each is twice the one before it. */
export function histogram(
  caption: string,
  classes: readonly { readonly from: number; readonly count: number }[],
  format: (value: number) => string,
): HTMLElement {
  const most = classes.reduce((left, right) => Math.max(left, right.count), 1)
  const x = scale(0, Math.max(classes.length, 1), PLOT.left, PLOT.right)
  const y = scale(0, most, PLOT.bottom, PLOT.top)
  const every = Math.ceil(classes.length / 8)
  const bars = classes.flatMap(({ from, count: number }, column) => {
    const top = number === 0 ? PLOT.bottom : Math.min(y(number), PLOT.bottom - 1)
    const place = { x: at(x(column) + 1), y: at(top), width: at(x(1) - x(0) - 2), height: at(PLOT.bottom - top) }
    const label = svg('text', { x: at(x(column)), y: PLOT.bottom + 15, 'text-anchor': 'middle' }, format(from))
    const name = `${format(from)} to ${format(2 * from)}: ${count(number)}`
    return [svg('rect', { ...place, class: 'bar' }, svg('title', {}, name)), ...(column % every === 0 ? [label] : [])]
  })
  const rows = classes.map(({ from, count: number }) =>
    element('tr', {}, element('td', {}, format(from)), element('td', {}, count(number))),
  )
  const head = element('tr', {}, element('th', { scope: 'col' }, 'from'), element('th', { scope: 'col' }, 'count'))
  const table = element('table', {}, element('thead', {}, head), element('tbody', {}, ...rows))
  return figure(
    caption,
    drawing(caption, ...yAxis(most, y, count), ...bars),
    element('details', {}, element('summary', {}, 'as a table'), table),
  )
}

function figure(caption: string, ...content: readonly Node[]): HTMLElement {
  return element('figure', {}, ...content, element('figcaption', {}, caption))
}

function drawing(title: string, ...content: readonly SVGElement[]): SVGElement {
  return svg(
    'svg',
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', class: 'chart' },
    svg('title', {}, title),
    ...content,
  )
}

type Scale = (value: number) => number

function scale(from: number, to: number, start: number, end: number): Scale {
  return (value) => start + ((value - from) / (to - from || 1)) * (end - start)
}

/** A coordinate, short. */
function at(value: number): number {
  return Math.round(value * 10) / 10
}

function yAxis(most: number, y: Scale, format: (value: number) => string): SVGElement[] {
  return ticks(most).flatMap((value) => [
    svg('line', { x1: PLOT.left, x2: PLOT.right, y1: at(y(value)), y2: at(y(value)), class: 'grid' }),
    svg('text', { x: PLOT.left - 6, y: at(y(value) + 4), 'text-anchor': 'end' }, format(value)),
  ])
}

/** Round values from 0 on, about five. */
function ticks(most: number): number[] {
  const rough = most / 5
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = Math.max(power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10), 1)
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, index) => index * step)
}

function timeAxis(startMs: number, endMs: number, x: Scale): SVGElement[] {
  return [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const ms = startMs + share * (endMs - startMs)
    const anchor = share === 0 ? 'start' : share === 1 ? 'end' : 'middle'
    return svg('text', { x: at(x(ms)), y: PLOT.bottom + 16, 'text-anchor': anchor }, shortTime(ms, endMs - startMs))
  })
}

function spanOf({ buckets, bucketMs, minTimestampMs }: LogData): [number, number] {
  const startMs = minTimestampMs ?? 0
  return [startMs, (buckets.at(-1)?.[0] ?? startMs) + bucketMs]
}
