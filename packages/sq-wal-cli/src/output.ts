/** What the commands write to stdout: tables for people, JSON for machines. */
import pc from 'picocolors'
import { layOut } from './table.ts'
import type { Column } from './table.ts'

/** Why nothing can be written any more; null as long as it can. */
let failure: NodeJS.ErrnoException | null = null

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  failure = error
})

/** Whether nobody takes what is written: there is nothing more to do for a command that only shows something. */
export function isOutputGone(): boolean {
  return failure !== null || process.stdout.destroyed
}

/** Why the output is not complete; null where it is, and where its reader has had enough (`sq-wal ... | head -1`). */
export function outputFailure(): Error | null {
  return failure?.code === 'EPIPE' ? null : failure
}

/** Writes to stdout. Resolves once there is room for more, also where nobody takes it. */
export function print(text: string | Uint8Array): Promise<void> {
  if (isOutputGone()) return Promise.resolve()
  return new Promise((resolve) => {
    process.stdout.write(text, () => resolve())
  })
}

/**
 * A text from outside, such as a name or a record, so that it does nothing to a terminal: control characters, and those
 * that turn the direction of writing, as `\\u001b`.
 */
export function visible(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Bidi_Control}]/gu, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`)
}


/** For stdout: they do nothing where it is no terminal, or NO_COLOR is set. */
export const colors: ReturnType<typeof pc.createColors> = pc.createColors(
  process.stdout.isTTY ? pc.isColorSupported : false,
)

/** Writes a value as JSON, indented. */
export function writeJson(value: unknown): Promise<void> {
  return print(`${jsonOf(value, 2)}\n`)
}

/** A value as JSON. Offsets become numbers: they are at most 2^53 - 1. */
export function jsonOf(value: unknown, indent = 0): string {
  // Line breaks are the indentation's: within strings, JSON has escaped them.
  return JSON.stringify(value, withNumbers, indent).split('\n').map(visible).join('\n')
}

function withNumbers(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value
}

/** Writes rows under their titles, aligned; nothing else but spaces is drawn. */
export async function writeTable(columns: readonly Column[], rows: readonly (readonly string[])[]): Promise<void> {
  const lines = layOut(columns, [columns.map(({ title }) => colors.dim(title)), ...rows])
  await print(lines.map((line) => `${line}\n`).join(''))
}

/** `1 record`, `2,000 records`. */
export function counted(count: number | bigint, what: string): string {
  return `${formatCount(count)} ${what}${Number(count) === 1 ? '' : 's'}`
}

/** `12,345`. */
export function formatCount(count: number | bigint): string {
  return count.toLocaleString('en-US')
}

/** `1.5 MB`, in powers of a thousand, with three digits. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
  let [value, unit] = [bytes, 0]
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return unit === 0 ? `${value} B` : `${value.toPrecision(3)} ${units[unit]}`
}

/** `2026-11-22 20:57:52.123Z`; a dash for none. */
export function formatTime(timestampMs: number | null): string {
  if (timestampMs === null) return '-'
  const date = new Date(timestampMs)
  // Timestamps may go up to 2^53 - 1, dates do not.
  return Number.isNaN(date.getTime()) ? String(timestampMs) : date.toISOString().replace('T', ' ')
}
