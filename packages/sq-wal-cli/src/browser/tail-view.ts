/** New records of a log as they come, with a pause. The table holds a bounded number of rows. */
import type { RecordData, RecordsData } from '../serve/live-data.ts'
import { copyCommand, placeOption } from './command.ts'
import { element } from './element.ts'
import { count, counted } from './format.ts'
import { openRecord, RECORD_TITLES, recordRow } from './record.ts'
import { ask, pause } from './server.ts'
import type { View } from './view.ts'

const MAX_ROWS = 500
const BEFORE = 20
const WAIT_MS = 10_000
/** A page that cannot reach the server asks again after this. */
const RETRY_MS = 2000

export function tailView(log: string, place: string): View {
  const stopped = new AbortController()
  const rows = element('tbody')
  const status = element('output', { class: 'readout', 'aria-live': 'polite' })
  const toggle = element('button', { type: 'button', 'aria-pressed': 'false' }, 'Pause')
  const titles = RECORD_TITLES.map((title) => element('th', { scope: 'col' }, title))
  const table = element('table', {}, element('thead', {}, element('tr', {}, ...titles)), rows)
  let isPaused = false
  let resume: (() => void) | null = null
  toggle.addEventListener('click', () => {
    isPaused = !isPaused
    toggle.setAttribute('aria-pressed', String(isPaused))
    toggle.textContent = isPaused ? 'Continue' : 'Pause'
    if (!isPaused) resume?.()
    else status.textContent = `paused; ${status.textContent}`
  })
  stopped.signal.addEventListener('abort', () => resume?.())
  void follow()
  return {
    root: element(
      'div',
      {},
      element(
        'div',
        { class: 'tools' },
        toggle,
        copyCommand(() => ['tail', '-f', log, ...placeOption(place)]),
      ),
      status,
      element('div', { class: 'records', tabindex: 0, role: 'region', 'aria-label': 'New records' }, table),
    ),
    stop: () => stopped.abort(),
  }

  async function follow(): Promise<void> {
    let next: number | null = null
    while (!stopped.signal.aborted) {
      if (isPaused) await new Promise<void>((done) => (resume = done))
      try {
        next = await step(next)
      } catch (error) {
        if (stopped.signal.aborted) return
        status.textContent = String(error)
        await pause(RETRY_MS, stopped.signal)
      }
    }
  }

  /** Resolves with the next offset. */
  async function step(next: number | null): Promise<number> {
    if (next === null) {
      const { endOffset, startOffset } = await ask<RecordsData>('records', { log, count: 1 }, stopped.signal)
      return Math.max(endOffset - BEFORE, startOffset)
    }
    const found = await ask<RecordsData>('records', { log, from: next, count: MAX_ROWS, wait: WAIT_MS }, stopped.signal)
    // While it is paused, what has come meanwhile is asked for again later.
    if (isPaused) return next
    add(found.records)
    if (found.problem !== null) throw new Error(found.problem)
    const behind = found.endOffset - found.nextOffset
    status.textContent = `at offset ${count(found.nextOffset)}${behind > 0 ? `, ${counted(behind, 'record')} behind` : ''}`
    // Deleted records cannot be waited for. If there are far too many new ones, only the last are shown.
    return behind > 10 * MAX_ROWS ? found.endOffset - MAX_ROWS : Math.max(found.nextOffset, found.startOffset)
  }

  /** The newest is the first row. */
  function add(records: readonly RecordData[]): void {
    rows.prepend(...records.map(row).toReversed())
    while (rows.children.length > MAX_ROWS) rows.lastElementChild?.remove()
  }

  function row(record: RecordData): HTMLElement {
    return recordRow(record, (opened) => {
      openRecord(log, opened).catch((error: unknown) => {
        status.textContent = String(error)
      })
    })
  }
}
