/** The page of a report: draws the data that it contains. */
import type { LogData, ReportData, UnreadableData } from '../report/log-data.ts'
import { element } from './element.ts'
import { bytes, count, counted, time } from './format.ts'
import { logView } from './log-view.ts'
import { table } from './table.ts'

const data: ReportData = JSON.parse(document.querySelector('#data')?.textContent ?? '')
const [first] = data.logs
const title = data.logs.length === 1 && first !== undefined ? first.name : counted(data.logs.length, 'log')

document.title = `${title} - sq-wal report`
document.body.append(
  element(
    'main',
    {},
    element('h1', {}, title),
    element(
      'p',
      { class: 'source' },
      `${data.place}, read ${time(data.madeMs)} by sq-wal ${data.version}. Times are UTC.`,
    ),
    data.logs.length === 1 ? null : list(),
    ...data.logs.map((log, at) => section(log, at)),
  ),
)

function list(): HTMLElement {
  const rows = data.logs.map((log, at) => {
    const link = element('a', { href: `#log${at}` }, log.name)
    if ('error' in log) return [link, 'cannot be read', '', '', '', '']
    const verdict = log.problems.total === 0 ? 'none' : count(log.problems.total)
    return [link, verdict, count(log.segments.total), count(log.records), bytes(log.bytes), time(log.maxTimestampMs)]
  })
  return table(['log', 'problems', 'segments', 'records', 'size', 'last'], rows)
}

function section(log: LogData | UnreadableData, at: number): HTMLElement {
  const content = 'error' in log ? element('p', { class: 'bad' }, log.error) : logView(log)
  return element('article', { id: `log${at}` }, data.logs.length === 1 ? null : element('h2', {}, log.name), content)
}
