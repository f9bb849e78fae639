/** The health of a log, and its picture, for which all of it is read: only when it is asked for. */
import type { LogData } from '../report/log-data.ts'
import type { LogsData } from '../serve/live-data.ts'
import { copyCommand, placeOption } from './command.ts'
import { element } from './element.ts'
import { bytes } from './format.ts'
import { verdict } from './list-view.ts'
import { logView } from './log-view.ts'
import { ask } from './server.ts'
import type { View } from './view.ts'

export function pictureView(log: string, place: string): View {
  const stopped = new AbortController()
  const health = element('dl', { class: 'facts' })
  const status = element('p', { role: 'status' })
  const shown = element('div')
  const read = element('button', { type: 'button' }, 'Verify and draw')
  read.addEventListener('click', () => void draw())
  void showHealth()
  return {
    root: element(
      'div',
      {},
      health,
      element(
        'div',
        { class: 'tools' },
        read,
        copyCommand(() => ['verify', log, ...placeOption(place)]),
      ),
      status,
      shown,
    ),
    stop: () => stopped.abort(),
  }

  async function draw(): Promise<void> {
    read.disabled = true
    status.textContent = 'Reading every byte of the log...'
    try {
      const data = await ask<LogData>('picture', { log }, stopped.signal)
      shown.replaceChildren(logView(data))
      status.textContent = ''
      await showHealth()
    } catch (error) {
      if (!stopped.signal.aborted) status.textContent = String(error)
    }
    read.disabled = false
  }

  async function showHealth(): Promise<void> {
    try {
      const { logs, freeBytes } = await ask<LogsData>('logs', {}, stopped.signal)
      const line = logs.find(({ name }) => name === log)
      if (line === undefined || 'error' in line) throw new Error(line?.error ?? 'there is no such log')
      const holder = line.holder === 'held' ? `process ${line.holderPid ?? 'of another user'}` : line.holder
      const facts: [string, string | Node][] = [
        ['writer', holder === 'free' ? 'none' : holder],
        ['verified', verdict(line)],
        ['size', bytes(line.bytes)],
        ['free on the disk', freeBytes === null ? 'unknown' : bytes(freeBytes)],
      ]
      health.replaceChildren(
        ...facts.map(([name, value]) => element('div', {}, element('dt', {}, name), element('dd', {}, value))),
      )
    } catch (error) {
      if (!stopped.signal.aborted) status.textContent = String(error)
    }
  }
}
