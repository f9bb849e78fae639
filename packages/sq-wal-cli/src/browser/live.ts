/** The live page: chooses the view that the address names. */
import type { LogsData } from '../serve/live-data.ts'
import { element } from './element.ts'
import { listView } from './list-view.ts'
import { pictureView } from './picture-view.ts'
import { recordsView } from './records-view.ts'
import { ask } from './server.ts'
import { tailView } from './tail-view.ts'
import type { View } from './view.ts'

const TABS = { records: 'Records', tail: 'Live tail', picture: 'Picture and health' } as const

const main = element('main', { 'aria-live': 'off' })
document.body.append(main)

/** The data directory, or the archive. */
let place = '.'
let shown: View | null = null

function show(): void {
  shown?.stop()
  const [, tab = '', name = ''] = /^#(\w+)\/(.*)$/.exec(location.hash) ?? []
  const log = decodeURIComponent(name)
  shown = viewOf(tab, log)
  const isLog = tab in TABS
  document.title = isLog ? `${log} - sq-wal` : 'sq-wal'
  const heading = element('h1', { tabindex: -1 }, isLog ? log : 'Logs')
  main.replaceChildren(heading, ...(isLog ? [tabs(tab, log)] : []), shown.root)
}

function viewOf(tab: string, log: string): View {
  if (tab === 'records') return recordsView(log, place)
  if (tab === 'tail') return tailView(log, place)
  if (tab === 'picture') return pictureView(log, place)
  return listView()
}

function tabs(current: string, log: string): HTMLElement {
  const links = Object.entries(TABS).map(([tab, title]) => {
    const state: Record<string, string> = tab === current ? { 'aria-current': 'page' } : {}
    return element('a', { href: `#${tab}/${encodeURIComponent(log)}`, ...state }, title)
  })
  return element('nav', { 'aria-label': 'Views' }, element('a', { href: '#' }, 'All logs'), ...links)
}

void begin()

async function begin(): Promise<void> {
  try {
    place = (await ask<LogsData>('logs')).place
    window.addEventListener('hashchange', show)
    show()
  } catch (error) {
    main.replaceChildren(element('p', { class: 'bad', role: 'alert' }, String(error)))
  }
}
