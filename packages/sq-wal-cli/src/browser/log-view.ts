/** Everything that a page shows of a log that was read. */
import type { LogData } from '../report/log-data.ts'
import { bytesOverTime, histogram, sizeOverTime } from './charts.ts'
import { element } from './element.ts'
import { bytes, count, counted, duration, offsets, time } from './format.ts'
import { picture } from './picture.ts'
import { table } from './table.ts'

export function logView(log: LogData): HTMLElement {
  const hasRecords = log.buckets.length > 0
  return element(
    'div',
    {},
    facts(log),
    part('Picture', picture(log)),
    problems(log),
    hasRecords ? part('Time', columns(sizeOverTime(log), bytesOverTime(log)), pauses(log)) : null,
    hasRecords ? sizes(log) : null,
    hasRecords ? keys(log) : null,
    segments(log),
  )
}

function part(title: string, ...content: readonly (Node | null)[]): HTMLElement {
  return element('section', { 'aria-label': title }, element('h3', {}, title), ...content)
}

function columns(...content: readonly Node[]): HTMLElement {
  return element('div', { class: 'columns' }, ...content)
}

function facts(log: LogData): HTMLElement {
  const entries: [string, string][] = [
    ['records', count(log.records)],
    ['bytes', bytes(log.bytes)],
    ['segments', count(log.segments.total)],
    ['offsets', offsets(log.firstOffset, log.nextOffset - 1)],
    ['first', time(log.minTimestampMs)],
    ['last', time(log.maxTimestampMs)],
    ['problems', count(log.problems.total)],
  ]
  const list = entries.map(([name, value]) => element('div', {}, element('dt', {}, name), element('dd', {}, value)))
  return element('dl', { class: log.problems.total > 0 ? 'facts damaged' : 'facts' }, ...list)
}

function problems({ problems: found, notes }: LogData): HTMLElement {
  const rows = found.shown.map(({ kind, file, from, to, firstOffset, lastOffset, reason }) => [
    kind,
    file,
    `${from}-${to}`,
    offsets(firstOffset, lastOffset),
    reason,
  ])
  const notesShown = notes.shown.map((note) => element('li', {}, note))
  return part(
    'Problems',
    rows.length === 0
      ? element('p', { class: 'good' }, 'No problem: every byte that means something is as it was written.')
      : table(['kind', 'file', 'bytes', 'offsets', 'reason'], rows),
    leftOut(found, 'problem'),
    notesShown.length === 0 ? null : element('h4', {}, 'Notes, which are not problems'),
    notesShown.length === 0 ? null : element('ul', {}, ...notesShown),
    leftOut(notes, 'note'),
  )
}

function leftOut({ shown, total }: { shown: readonly unknown[]; total: number }, what: string): HTMLElement | null {
  return shown.length === total ? null : element('p', {}, `${counted(total - shown.length, what)} not shown`)
}

function pauses({ pauses: longest, outOfOrder }: LogData): HTMLElement {
  const rows = longest.map(({ offset, fromMs, toMs }) => [
    duration(toMs - fromMs),
    String(offset),
    time(fromMs),
    time(toMs),
  ])
  const order =
    outOfOrder === 0
      ? 'All timestamps are in order.'
      : `${counted(outOfOrder, 'record')} with an earlier timestamp than one before.`
  return element(
    'div',
    {},
    element('h4', {}, 'Longest pauses'),
    rows.length === 0 ? null : table(['length', 'before offset', 'from', 'to'], rows),
    element('p', {}, order),
  )
}

function sizes({ histograms: { commitBytes, recordsPerCommit, valueBytes } }: LogData): HTMLElement {
  return part(
    'Sizes',
    columns(
      histogram('Commits by size, each class twice the one before it.', commitBytes, bytes),
      histogram('Commits by number of records.', recordsPerCommit, count),
      histogram('Records by size of their value.', valueBytes, bytes),
    ),
  )
}

function keys({ keys: { top, keyless, distinct, isExact, missedAtMost }, records }: LogData): HTMLElement {
  const most = top[0]?.records ?? 1
  const rows = top.map(({ key, records: number }) => [
    key,
    count(number),
    element('meter', { min: 0, max: most, value: number, 'aria-label': `${number} of ${most}` }),
  ])
  const told = isExact
    ? `${counted(distinct, 'key')}; ${counted(keyless, 'record')} without a key.`
    : `More than ${counted(distinct, 'key')}, so the most frequent are counted, each at most ${count(missedAtMost)} too low; ${counted(keyless, 'record')} without a key.`
  return part(
    'Keys',
    element('p', {}, told),
    rows.length === 0 || records === 0 ? null : table(['key', 'records', ''], rows),
  )
}

function segments({ segments: { shown, total } }: LogData): HTMLElement {
  const rows = shown.map((segment) => [
    segment.file,
    segment.state,
    count(segment.records),
    bytes(segment.bytes),
    String(segment.firstOffset),
    time(segment.minTimestampMs),
    time(segment.maxTimestampMs),
  ])
  const title =
    shown.length === total ? counted(total, 'segment') : `The newest ${shown.length} of ${counted(total, 'segment')}`
  const list = table(['segment', 'state', 'records', 'size', 'offset', 'first', 'last'], rows)
  return part('Segments', element('details', {}, element('summary', {}, title), list))
}
