/** The logs of the place, with rates from one look to the next. */
import type { LogLineData, LogsData } from '../serve/live-data.ts'
import { copyCommand, placeOption } from './command.ts'
import { element } from './element.ts'
import { bytes, count, offsets, time } from './format.ts'
import { ask, pause } from './server.ts'
import { table } from './table.ts'
import type { View } from './view.ts'

const INTERVAL_MS = 2000
const TITLES = [
  'log',
  'in use',
  'records/s',
  'bytes/s',
  'records',
  'size',
  'segments',
  'offsets',
  'last record',
  'verified',
]

export function listView(): View {
  const stopped = new AbortController()
  const disk = element('p', { class: 'source' })
  const list = element('div', {}, element('p', {}, 'looking...'))
  let place = '.'
  void refresh()
  return {
    root: element(
      'div',
      {},
      disk,
      list,
      copyCommand(() => ['ls', ...placeOption(place)]),
    ),
    stop: () => stopped.abort(),
  }

  async function refresh(): Promise<void> {
    let before: LogsData | null = null
    while (!stopped.signal.aborted) {
      try {
        const logs = await ask<LogsData>('logs', {}, stopped.signal)
        place = logs.place
        disk.textContent = `${place}${logs.freeBytes === null ? '' : `, ${bytes(logs.freeBytes)} of ${bytes(logs.totalBytes ?? 0)} free on its disk`}. Times are UTC.`
        // A new table would take the focus from a link.
        if (!list.contains(document.activeElement)) list.replaceChildren(tableOf(logs, before))
        before = logs
      } catch (error) {
        if (!stopped.signal.aborted) list.replaceChildren(element('p', { class: 'bad', role: 'alert' }, String(error)))
      }
      await pause(INTERVAL_MS, stopped.signal)
    }
  }
}

function tableOf(logs: LogsData, before: LogsData | null): HTMLElement {
  const earlier = new Map(before?.logs.map((log) => [log.name, log]))
  const seconds = before === null ? 0 : (logs.atMs - before.atMs) / 1000
  if (logs.logs.length === 0) return element('p', {}, 'There is no log here.')
  const rows = logs.logs.map((log) => {
    const link = element('a', { href: `#records/${encodeURIComponent(log.name)}` }, log.name)
    if ('error' in log) return [element('span', {}, log.name), element('span', { class: 'bad' }, log.error)]
    const last = earlier.get(log.name)
    const since = last === undefined || 'error' in last ? null : last
    const records = rateOf(log.endOffset, since?.endOffset, seconds)
    const written = rateOf(log.bytes, since?.bytes, seconds)
    return [
      link,
      inUse(log),
      records === null ? '-' : count(Math.round(records)),
      written === null ? '-' : bytes(written),
      count(log.records),
      bytes(log.bytes),
      count(log.segments),
      offsets(log.startOffset, log.endOffset - 1),
      time(log.maxTimestampMs),
      verdict(log),
    ]
  })
  return table(TITLES, rows)
}

/** Null at the first look. */
function rateOf(now: number, before: number | undefined, seconds: number): number | null {
  return before === undefined || seconds <= 0 ? null : Math.max(now - before, 0) / seconds
}

function inUse({ holder, holderPid }: LogLineData): string {
  if (holder !== 'held') return holder === 'free' ? 'no' : 'unknown'
  return holderPid === null ? 'yes' : `by process ${holderPid}`
}

export function verdict({ verified }: LogLineData): Node {
  if (verified === null) return element('span', {}, 'not yet')
  const { atMs, problems, torn } = verified
  const found = problems === 0 ? 'no problem' : problems === 1 ? '1 problem' : `${count(problems)} problems`
  const end = torn === 0 ? '' : `, ${bytes(torn)} torn or ignored`
  return element('span', { class: problems === 0 ? 'good' : 'bad' }, `${found}${end}, ${time(atMs).slice(11, 19)}`)
}
