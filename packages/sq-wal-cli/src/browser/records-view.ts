/**
 * The records of a log from an offset or a time on, filtered. More come as the table is scrolled; it holds a bounded
 * number of rows, so that a log of any size can be scrolled.
 */
import type { RecordData, RecordsData } from '../serve/live-data.ts'
import { copyCommand, placeOption } from './command.ts'
import { element } from './element.ts'
import { count, counted } from './format.ts'
import { openRecord, RECORD_TITLES, recordRow } from './record.ts'
import { ask } from './server.ts'
import type { View } from './view.ts'

const PAGE = 400
const MAX_ROWS = 1000
/** This near to an end of the table, more is read. */
const NEAR_PX = 800

export function recordsView(log: string, place: string): View {
  return new RecordsView(log, place)
}

class RecordsView implements View {
  readonly root: HTMLElement
  readonly #log: string
  readonly #place: string
  readonly #from = field('from offset or time', '0 or 2026-11-22 20:57', 'from')
  readonly #key = field('key', 'any', 'key')
  readonly #contains = field('value contains', 'anything', 'contains')
  readonly #rows: HTMLElement = element('tbody')
  readonly #scrolled: HTMLElement
  readonly #status = element('output', { class: 'readout', 'aria-live': 'polite' })
  readonly #stopped = new AbortController()
  /** Counts the questions, so that an answer to an earlier one is not shown. */
  #question = 0
  #isReading = false
  #first = 0
  #next = 0
  #start = 0
  #end = 0

  constructor(log: string, place: string) {
    this.#log = log
    this.#place = place
    const titles = RECORD_TITLES.map((title) => element('th', { scope: 'col' }, title))
    const table = element('table', {}, element('thead', {}, element('tr', {}, ...titles)), this.#rows)
    this.#scrolled = element('div', { class: 'records', tabindex: 0, role: 'region', 'aria-label': 'Records' }, table)
    this.#scrolled.addEventListener('scroll', () => void this.#more())
    const form = element(
      'form',
      { class: 'tools', 'aria-label': 'Which records' },
      this.#from.label,
      this.#key.label,
      this.#contains.label,
      element('button', { type: 'submit' }, 'Show'),
      button('First', () => this.#jump('')),
      button('Last', () => this.#jump(String(Math.max(this.#end - PAGE / 8, this.#start)))),
    )
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      void this.#show()
    })
    this.root = element(
      'div',
      {},
      form,
      this.#scrolled,
      this.#status,
      copyCommand(() => this.#command()),
    )
    void this.#show()
  }

  stop(): void {
    this.#stopped.abort()
  }

  #jump(from: string): void {
    this.#from.input.value = from
    void this.#show()
  }

  async #show(): Promise<void> {
    const question = ++this.#question
    this.#rows.replaceChildren()
    this.#scrolled.scrollTop = 0
    const from = this.#from.input.value.trim()
    const timestampMs = /^\d*$/.test(from) ? null : parseTime(from)
    if (Number.isNaN(timestampMs)) return this.#tell(`This is neither an offset nor a time: ${from}`)
    await this.#read(question, { from: timestampMs === null ? from : null, time: timestampMs }, (records, found) => {
      this.#first = records[0]?.offset ?? found.nextOffset
      this.#append(records)
    })
    await this.#more()
  }

  /** Reads on where the table is near to its end or to its beginning, until there is enough. */
  async #more(): Promise<void> {
    const { scrollTop, scrollHeight, clientHeight } = this.#scrolled
    if (this.#isReading || this.#stopped.signal.aborted) return
    if (scrollHeight - scrollTop - clientHeight < NEAR_PX && this.#next < this.#end) {
      await this.#read(this.#question, { from: this.#next }, (records) => this.#append(records))
      return this.#more()
    }
    // Backwards a filter would not say where to begin.
    const isFiltered = this.#key.input.value !== '' || this.#contains.input.value !== ''
    if (scrollTop < NEAR_PX && this.#first > this.#start && !isFiltered) {
      const from = Math.max(this.#first - PAGE, this.#start)
      await this.#read(this.#question, { from, count: this.#first - from }, (records) => this.#prepend(records, from))
    }
  }

  async #read(
    question: number,
    range: Readonly<Record<string, string | number | null>>,
    add: (records: readonly RecordData[], found: RecordsData) => void,
  ): Promise<void> {
    this.#isReading = true
    try {
      const filter = { key: this.#key.input.value, contains: this.#contains.input.value }
      const parameters = { log: this.#log, count: PAGE, ...filter, ...range }
      const found = await ask<RecordsData>('records', parameters, this.#stopped.signal)
      if (question !== this.#question) return
      this.#start = found.startOffset
      this.#end = found.endOffset
      if (!('count' in range)) this.#next = found.problem === null ? found.nextOffset : found.endOffset
      add(found.records, found)
      const opaque = found.opaque.length === 0 ? '' : `; ${counted(found.opaque.length, 'opaque batch')} passed over`
      const problem = found.problem === null ? '' : `; ${found.problem}`
      const rows = this.#rows.children.length
      this.#tell(
        `${counted(rows, 'row')} of ${counted(this.#end - this.#start, 'record')}, read to offset ${count(found.nextOffset)}${opaque}${problem}`,
      )
    } catch (error) {
      this.#next = this.#end
      if (!this.#stopped.signal.aborted) this.#tell(String(error))
    } finally {
      if (question === this.#question) this.#isReading = false
    }
  }

  #append(records: readonly RecordData[]): void {
    this.#rows.append(...records.map((record) => this.#row(record)))
    const { scrollTop, scrollHeight } = this.#scrolled
    if (this.#rows.children.length <= MAX_ROWS) return
    while (this.#rows.children.length > MAX_ROWS) this.#rows.firstElementChild?.remove()
    this.#first = Number(
      (this.#rows.firstElementChild instanceof HTMLElement && this.#rows.firstElementChild.dataset['offset']) || 0,
    )
    this.#scrolled.scrollTop = scrollTop - (scrollHeight - this.#scrolled.scrollHeight)
  }

  #prepend(records: readonly RecordData[], from: number): void {
    const { scrollTop, scrollHeight } = this.#scrolled
    this.#rows.prepend(...records.map((record) => this.#row(record)))
    this.#first = from
    this.#scrolled.scrollTop = scrollTop + this.#scrolled.scrollHeight - scrollHeight
    while (this.#rows.children.length > MAX_ROWS) this.#rows.lastElementChild?.remove()
    const last = this.#rows.lastElementChild
    this.#next = 1 + Number((last instanceof HTMLElement && last.dataset['offset']) || 0)
  }

  #row(record: RecordData): HTMLElement {
    return recordRow(record, (opened) => {
      openRecord(this.#log, opened).catch((error: unknown) => this.#tell(String(error)))
    })
  }

  #tell(text: string): void {
    this.#status.textContent = text
  }

  #command(): string[] {
    const from = this.#from.input.value.trim()
    const key = this.#key.input.value
    const contains = this.#contains.input.value
    const pattern = contains.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`)
    return [
      'cat',
      this.#log,
      ...placeOption(this.#place),
      '--count',
      String(PAGE),
      ...(from === '' ? [] : ['--from', from]),
      ...(key === '' ? [] : ['--key', key]),
      ...(contains === '' ? [] : ['--grep', pattern]),
    ]
  }
}

/** In UTC, unless the text names a zone. NaN if it is no time. */
function parseTime(text: string): number {
  const iso = text.replace(' ', 'T')
  return Date.parse(/[zZ]$|[+-]\d\d:?\d\d$/.test(iso) || !iso.includes('T') ? iso : `${iso}Z`)
}

function field(title: string, placeholder: string, name: string): { label: HTMLElement; input: HTMLInputElement } {
  const input = element('input', { type: 'text', placeholder, name, autocomplete: 'off', spellcheck: 'false' })
  return { label: element('label', {}, `${title} `, input), input }
}

function button(text: string, action: () => void): HTMLElement {
  const made = element('button', { type: 'button' }, text)
  made.addEventListener('click', action)
  return made
}
