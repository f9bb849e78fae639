/**
 * The picture of a log from its first byte to its last: the shade is the mean size of commits. It can be zoomed with the
 * wheel, the buttons and the keyboard, and tells what is under the pointer or the cursor.
 */
import type { CellData, LogData } from '../report/log-data.ts'
import { columns, EMPTY, joined, mean } from './cells.ts'
import type { Measure } from './cells.ts'
import { element, svg } from './element.ts'
import { bytes, count, counted, offsets, time } from './format.ts'

const COLUMNS = 400
const HEIGHT = 72
const SHADES = 5

let pictures = 0

export function picture(log: LogData): HTMLElement {
  return new Picture(log).root
}

class Picture {
  readonly root: HTMLElement
  readonly #log: LogData
  readonly #total: number
  readonly #id: number = ++pictures
  readonly #drawing: SVGSVGElement
  readonly #readout: HTMLElement
  readonly #legend: HTMLElement
  readonly #range: HTMLElement
  #from = 0
  #to: number
  #cursor = 0
  #measure: Measure = 'bytes'

  constructor(log: LogData) {
    this.#log = log
    this.#total = Math.max(
      log.cells.reduce((sum, [size]) => sum + size, 0),
      1,
    )
    this.#to = this.#total
    this.#drawing = svg('svg', {
      viewBox: `0 0 ${COLUMNS} ${HEIGHT}`,
      preserveAspectRatio: 'none',
      class: 'picture',
      tabindex: 0,
      role: 'img',
      'aria-label': `${log.name} from its first byte to its last. Arrow keys move the cursor, plus and minus zoom.`,
    })
    this.#readout = element('output', { class: 'readout', 'aria-live': 'polite' })
    this.#legend = element('p', { class: 'legend' })
    this.#range = element('p', { class: 'range' })
    this.root = element(
      'figure',
      {},
      this.#buttons(),
      this.#drawing,
      this.#range,
      this.#readout,
      this.#legend,
      element(
        'figcaption',
        {},
        'The log in the order of its bytes. The stronger the shade, the larger the commits; damage is always drawn.',
      ),
    )
    this.#listen()
    this.#draw()
    this.#tell(0)
  }

  #buttons(): HTMLElement {
    const measure = element(
      'select',
      { 'aria-label': 'What the shade shows' },
      element('option', { value: 'bytes' }, 'bytes a commit'),
      element('option', { value: 'records' }, 'records a commit'),
    )
    measure.addEventListener('change', () => {
      this.#measure = measure.value === 'records' ? 'records' : 'bytes'
      this.#draw()
    })
    return element(
      'div',
      { class: 'tools' },
      measure,
      button('+', 'Zoom in', () => this.#zoom(0.5, this.#cursor)),
      button('-', 'Zoom out', () => this.#zoom(2, this.#cursor)),
      button('<', 'Move towards the beginning', () => this.#move(-0.5)),
      button('>', 'Move towards the end', () => this.#move(0.5)),
      button('all', 'Show the whole log', () => this.#show(0, this.#total)),
    )
  }

  #listen(): void {
    const columnAt = (event: MouseEvent): number => {
      const { left, width } = this.#drawing.getBoundingClientRect()
      return Math.min(Math.max(Math.floor((COLUMNS * (event.clientX - left)) / width), 0), COLUMNS - 1)
    }
    this.#drawing.addEventListener('pointermove', (event) => this.#tell(columnAt(event)))
    this.#drawing.addEventListener('wheel', (event) => {
      event.preventDefault()
      this.#zoom(event.deltaY < 0 ? 0.8 : 1.25, columnAt(event))
    })
    this.#drawing.addEventListener('dblclick', (event) => this.#zoom(0.25, columnAt(event)))
    const keys: Readonly<Record<string, () => void>> = {
      ArrowLeft: () => this.#tell(Math.max(this.#cursor - 1, 0)),
      ArrowRight: () => this.#tell(Math.min(this.#cursor + 1, COLUMNS - 1)),
      PageUp: () => this.#move(-0.5),
      PageDown: () => this.#move(0.5),
      Home: () => this.#tell(0),
      End: () => this.#tell(COLUMNS - 1),
      '+': () => this.#zoom(0.5, this.#cursor),
      '-': () => this.#zoom(2, this.#cursor),
      '0': () => this.#show(0, this.#total),
    }
    this.#drawing.addEventListener('keydown', (event) => {
      const action = keys[event.key]
      if (action === undefined || event.ctrlKey || event.metaKey || event.altKey) return
      event.preventDefault()
      action()
    })
  }

  /** Zooms around a column, which stays where it is. */
  #zoom(factor: number, column: number): void {
    const span = Math.min(Math.max((this.#to - this.#from) * factor, Math.min(COLUMNS, this.#total)), this.#total)
    const share = (column + 0.5) / COLUMNS
    const place = this.#from + share * (this.#to - this.#from)
    this.#show(place - share * span, place + (1 - share) * span)
  }

  #move(share: number): void {
    const by = share * (this.#to - this.#from)
    this.#show(this.#from + by, this.#to + by)
  }

  #show(from: number, to: number): void {
    const span = to - from
    this.#from = Math.min(Math.max(from, 0), this.#total - span)
    this.#to = this.#from + span
    this.#draw()
    this.#tell(this.#cursor)
  }

  #draw(): void {
    const all = this.#log.cells.map((cell) => mean(cell, this.#measure)).filter((value) => value !== null)
    const least = all.reduce((left, right) => Math.min(left, right), Infinity)
    const most = all.reduce((left, right) => Math.max(left, right), 0)
    const bound = (shade: number): number => least * (most / least) ** (shade / SHADES)
    const shadeOf = (cell: CellData): string => {
      if (cell[3] > 0) return 'bad'
      if (cell[4] > 0) return 'torn'
      const value = mean(cell, this.#measure)
      if (value === null) return 'none'
      if (most <= least) return 's2'
      const shade = Math.floor((SHADES * Math.log(value / least)) / Math.log(most / least))
      return `s${Math.min(Math.max(shade, 0), SHADES - 1)}`
    }
    const drawn = columns(this.#log.cells, { from: this.#from, to: this.#to, count: COLUMNS })
    const rects: SVGElement[] = []
    for (let at = 0; at < drawn.length;) {
      const shade = shadeOf(drawn[at]?.cell ?? EMPTY)
      let end = at + 1
      while (end < drawn.length && shadeOf(drawn[end]?.cell ?? EMPTY) === shade) end++
      const place = { x: at, y: 0, width: end - at, height: HEIGHT }
      rects.push(svg('rect', { ...place, class: shade }))
      if (shade === 'bad') rects.push(svg('rect', { ...place, fill: `url(#hatch${this.#id})` }))
      if (shade === 'torn') rects.push(svg('rect', { ...place, fill: `url(#dots${this.#id})` }))
      at = end
    }
    this.#drawing.replaceChildren(
      this.#patterns(),
      ...rects,
      svg('rect', { class: 'cursor', width: 1, height: HEIGHT }),
    )
    const inView = drawn.reduce((left, { cell }) => joined(left, cell), EMPTY)
    this.#range.textContent = `bytes ${bytes(this.#from)} to ${bytes(this.#to)} of ${bytes(this.#total)}, offsets ${offsets(inView[5], inView[6])}`
    const format = this.#measure === 'bytes' ? bytes : (value: number) => count(Math.round(value * 10) / 10)
    const shades = most <= least ? [2] : Array.from({ length: SHADES }, (_, shade) => shade)
    this.#legend.replaceChildren(
      ...(all.length === 0
        ? []
        : shades.map((shade) => key(`s${shade}`, `to ${format(most <= least ? most : bound(shade + 1))}`))),
      key('none', 'no record'),
      key('torn', 'torn or ignored'),
      key('bad', 'damaged'),
    )
  }

  /** The patterns, which tell what colours alone would. */
  #patterns(): SVGElement {
    const size = { width: 6, height: 6, patternUnits: 'userSpaceOnUse' }
    return svg(
      'defs',
      {},
      svg('pattern', { id: `hatch${this.#id}`, ...size }, svg('path', { d: 'M0 6L6 0', class: 'stroke' })),
      svg('pattern', { id: `dots${this.#id}`, ...size }, svg('circle', { cx: 3, cy: 3, r: 1, class: 'dot' })),
    )
  }

  #tell(column: number): void {
    this.#cursor = column
    this.#drawing.querySelector('.cursor')?.setAttribute('x', String(column))
    const [placed] = columns(this.#log.cells, { ...this.#place(column), count: 1 })
    const [, commits, records, damaged, ignored, first, last, least, most] = placed?.cell ?? EMPTY
    const told = [
      `at ${bytes(this.#place(column).from)}`,
      commits === 0 ? 'no record' : `${counted(commits, 'commit')}, ${counted(records, 'record')}`,
      ...(first === null ? [] : [`offsets ${offsets(first, last)}`]),
      ...(least === null ? [] : [least === most ? time(least) : `${time(least)} to ${time(most)}`]),
      ...(damaged > 0 ? [`${bytes(damaged)} damaged`] : []),
      ...(ignored > 0 ? [`${bytes(ignored)} torn or ignored`] : []),
    ]
    this.#readout.textContent = told.join('; ')
  }

  #place(column: number): { from: number; to: number } {
    const width = (this.#to - this.#from) / COLUMNS
    return { from: this.#from + column * width, to: this.#from + (column + 1) * width }
  }
}

function button(text: string, title: string, action: () => void): HTMLElement {
  const made = element('button', { type: 'button', title, 'aria-label': title }, text)
  made.addEventListener('click', action)
  return made
}

function key(shade: string, text: string): HTMLElement {
  return element('span', { class: 'key' }, element('i', { class: `swatch ${shade}` }), text)
}
