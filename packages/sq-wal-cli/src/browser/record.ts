/** Shows records: as rows of a table, and one of them with its bytes. */
import type { BytesData, RecordData, RecordsData } from '../serve/live-data.ts'
import { element } from './element.ts'
import { bytes, time } from './format.ts'
import { ask } from './server.ts'

const MAX_CELL = 160
const MAX_HEX_LINES = 2000

export const RECORD_TITLES = ['offset', 'time', 'key', 'value', 'headers']

/** A row that opens the record. */
export function recordRow(record: RecordData, open: (record: RecordData) => void): HTMLTableRowElement {
  const button = element('button', { type: 'button', class: 'plain' }, record.offset)
  button.addEventListener('click', () => open(record))
  const headers = record.headers.map(({ key, value }) => `${key}=${textOf(value)}`).join(', ')
  return element(
    'tr',
    { 'data-offset': record.offset },
    element('td', {}, button),
    element('td', {}, time(record.timestampMs)),
    cell(record.key),
    cell(record.value),
    element('td', {}, shortened(headers)),
  )
}

function cell(data: BytesData | null): HTMLElement {
  return data === null ? element('td', { class: 'null' }, 'null') : element('td', {}, shortened(textOf(data)))
}

function textOf({ text, base64 }: BytesData): string {
  return text ?? `base64 ${base64 ?? ''}`
}

function shortened(text: string): string {
  return text.length > MAX_CELL ? `${text.slice(0, MAX_CELL)}...` : text
}

/** A dialog with everything of a record. */
export async function openRecord(log: string, { offset }: RecordData): Promise<void> {
  const { records } = await ask<RecordsData>('records', { log, from: offset, count: 1, whole: 1 })
  const [record] = records
  if (record === undefined) return
  const dialog = element('dialog', { 'aria-label': `Record ${offset}` })
  const close = element('button', { type: 'button' }, 'Close')
  close.addEventListener('click', () => dialog.close())
  dialog.append(
    element('h2', {}, `Record ${offset}`),
    element('p', {}, time(record.timestampMs)),
    ...content('Key', record.key),
    ...record.headers.flatMap(({ key, value }) => content(`Header ${key}`, value)),
    ...content('Value', record.value),
    close,
  )
  dialog.addEventListener('close', () => dialog.remove())
  document.body.append(dialog)
  dialog.showModal()
}

function content(title: string, data: BytesData | null): Node[] {
  if (data === null) return [element('h3', {}, title), element('p', { class: 'null' }, 'null')]
  const shown = element('pre', { tabindex: 0, 'aria-label': title })
  const forms: [string, string | null][] = [
    ['JSON', prettyJson(data)],
    ['Text', data.text ?? null],
    ['Hex', hexDump(data)],
  ]
  const buttons = forms.flatMap(([name, text]) => {
    if (text === null) return []
    const button = element('button', { type: 'button' }, name)
    button.addEventListener('click', () => {
      shown.textContent = text
    })
    return [button]
  })
  shown.textContent = forms.find(([, text]) => text !== null)?.[1] ?? ''
  return [element('h3', {}, title, ` (${bytes(data.size)})`), element('div', { class: 'tools' }, ...buttons), shown]
}

/** Null if it is not JSON, or not all of it is there. */
function prettyJson({ text }: BytesData): string | null {
  if (text === undefined || !/^\s*[[{]/.test(text)) return null
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return null
  }
}

/** Sixteen bytes a line. */
function hexDump({ text, base64 }: BytesData): string {
  const all =
    text === undefined
      ? Uint8Array.from(atob(base64 ?? ''), (letter) => letter.charCodeAt(0))
      : new TextEncoder().encode(text)
  const lines: string[] = []
  for (let at = 0; at < all.length && lines.length < MAX_HEX_LINES; at += 16) {
    const row = Array.from(all.subarray(at, at + 16))
    const hex = row.map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
    const letters = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('')
    lines.push(`${at.toString(16).padStart(8, '0')}  ${hex.padEnd(48)} |${letters}|`)
  }
  if (lines.length === MAX_HEX_LINES) lines.push('...')
  return lines.join('\n')
}
