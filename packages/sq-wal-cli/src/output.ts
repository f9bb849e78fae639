/**
 * What the commands write: tables for people, JSON for machines. Nothing else here writes to stdout or stderr, so that
 * nothing from outside gets control of a terminal.
 */
import pc from 'picocolors'
import { isError } from './message-of.ts'
import { shownPath, withShownPaths } from './shown-path.ts'
import { layOut } from './table.ts'
import type { Column } from './table.ts'
import { visible } from './visible.ts'

/** Why nothing can be written any more; null as long as it can. */
let failure: NodeJS.ErrnoException | null = null

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  failure = error
})
// Where nobody hears what goes wrong, the exit status still tells it.
process.stderr.on('error', () => {})

/** Whether nobody takes what is written: there is nothing more to do for a command that only shows something. */
export function isOutputGone(): boolean {
  return failure !== null || process.stdout.destroyed
}

/** Why the output is not complete; null where it is, and where its reader has had enough (`sq-wal ... | head -1`). */
export function outputFailure(): Error | null {
  return failure?.code === 'EPIPE' ? null : failure
}

/** A stretch of a line, and how it is painted. */
export interface Painted {
  readonly text: string
  readonly paint: (text: string) => string
}

export type Piece = string | Painted

/** Writes a line to stdout. The pieces may hold anything: they are escaped here, so that none does a terminal harm. */
export function printLine(...pieces: readonly Piece[]): Promise<void> {
  return printLines([pieces])
}

/** Writes several lines at once. Resolves once there is room for more, also where nobody takes them. */
export function printLines(lines: readonly (readonly Piece[])[]): Promise<void> {
  return printBytes(Buffer.from(lines.map((line) => `${rendered(line)}\n`).join('')))
}

/** Pieces as they are written, escaped and painted; to be passed to `printBytes`. */
export function rendered(pieces: readonly Piece[]): string {
  let text = ''
  for (const piece of pieces) text += typeof piece === 'string' ? visible(piece) : piece.paint(visible(piece.text))
  return text
}

/** Writes bytes to stdout as they are: values for `--format raw`, and what `rendered` has made. Resolves as the others. */
export function printBytes(bytes: Uint8Array): Promise<void> {
  if (isOutputGone()) return Promise.resolve()
  return new Promise((resolve) => {
    process.stdout.write(bytes, () => resolve())
  })
}

/** Resolves when all that was written before is on its way, or has failed. */
export function flushed(): Promise<void> {
  return printBytes(Buffer.alloc(0))
}

/** Writes a line to stderr, of a failure or of what should be known besides. */
export function printNotice(message: string): void {
  process.stderr.write(`sq-wal: ${visible(message)}\n`)
}

/** Writes what is known of a fault of this program to stderr. */
export function printCrash(error: unknown): void {
  const told = isError(error) ? (error.stack ?? error.message) : String(error)
  process.stderr.write(`sq-wal: a bug, please report it: ${told.split('\n').map(visible).join('\n')}\n`)
}

const paints = pc.createColors(process.stdout.isTTY ? pc.isColorSupported : false)

/** For stdout: they do nothing where it is no terminal, or NO_COLOR is set. */
export const colors: Readonly<Record<'cyan' | 'dim' | 'green' | 'red' | 'yellow', (text: string) => Painted>> = {
  cyan: (text) => ({ text, paint: paints.cyan }),
  dim: (text) => ({ text, paint: paints.dim }),
  green: (text) => ({ text, paint: paints.green }),
  red: (text) => ({ text, paint: paints.red }),
  yellow: (text) => ({ text, paint: paints.yellow }),
}

/** Writes a value as JSON, indented, with its paths as they are shown. */
export function writeJson(value: unknown): Promise<void> {
  const json = JSON.stringify(value, (key, each: unknown) => withNumbers(key, withPaths(each)), 2)
  return printLines(json.split('\n').map((line) => [line]))
}

/** A text that begins with a slash is a path as a whole, whatever else is in it. */
function withPaths(value: unknown): unknown {
  if (typeof value !== 'string') return value
  return value.startsWith('/') ? shownPath(value) : withShownPaths(value)
}

/** A value as JSON in one line. Offsets become numbers: they are at most 2^53 - 1. */
export function jsonOf(value: unknown): string {
  return JSON.stringify(value, withNumbers)
}

function withNumbers(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value
}

/** Writes rows under their titles, aligned; nothing else but spaces is drawn. */
export async function writeTable(columns: readonly Column[], rows: readonly (readonly Piece[])[]): Promise<void> {
  const titles = columns.map(({ title }) => colors.dim(title))
  const lines = layOut(
    columns,
    [titles, ...rows].map((row) => row.map((cell) => rendered([cell]))),
  )
  await printBytes(Buffer.from(lines.map((line) => `${line}\n`).join('')))
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
