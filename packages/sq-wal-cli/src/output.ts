/**
 * The output of the commands: tables for people, JSON for programs. Only this file writes to stdout and stderr, so that
 * every text from outside is escaped before it reaches a terminal.
 */
import pc from 'picocolors'
import { isError } from './message-of.ts'
import { shownPath, withShownPaths } from './shown-path.ts'
import { layOut } from './table.ts'
import type { Column } from './table.ts'
import type { TimeZone } from './time.ts'
import { visible } from './visible.ts'

/** Why stdout can no longer be written. Null while it can. */
let failure: NodeJS.ErrnoException | null = null

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  failure = error
})
// If stderr is closed, the exit status still reports the failure.
process.stderr.on('error', () => {})

/** Whether stdout is closed. A command that only prints something can stop then. */
export function isOutputGone(): boolean {
  return failure !== null || process.stdout.destroyed
}

/** Why the output is incomplete. Null if it is complete, or if its reader has closed it (`sq-wal ... | head -1`). */
export function outputFailure(): Error | null {
  return failure?.code === 'EPIPE' ? null : failure
}

/** A part of a line, and how it is coloured. */
export interface Painted {
  readonly text: string
  readonly paint: (text: string) => string
}

export type Piece = string | Painted

/** Writes a line to stdout. The pieces can hold anything: they are escaped here, and cannot control a terminal. */
export function printLine(...pieces: readonly Piece[]): Promise<void> {
  return printLines([pieces])
}

/** Writes several lines at once. Resolves when there is room for more, or if stdout is closed. */
export function printLines(lines: readonly (readonly Piece[])[]): Promise<void> {
  return printBytes(Buffer.from(lines.map((line) => `${rendered(line)}\n`).join('')))
}

/** Pieces as text, escaped and coloured, for `printBytes`. */
export function rendered(pieces: readonly Piece[]): string {
  let text = ''
  for (const piece of pieces) text += typeof piece === 'string' ? visible(piece) : piece.paint(visible(piece.text))
  return text
}

/**
 * Writes bytes to stdout as they are: values for `--format raw`, and text from `rendered`. Resolves like `printLines`.
 */
export function printBytes(bytes: Uint8Array): Promise<void> {
  if (isOutputGone()) return Promise.resolve()
  return new Promise((resolve) => {
    process.stdout.write(bytes, () => resolve())
  })
}

/** Resolves when everything before this call has been written, or has failed. */
export function flushed(): Promise<void> {
  return printBytes(Buffer.alloc(0))
}

/** Writes a line to stderr: an error or a notice. */
export function printNotice(message: string): void {
  process.stderr.write(`sq-wal: ${visible(message)}\n`)
}

/** Writes an error that is a bug in this program to stderr, with its stack. */
export function printCrash(error: unknown): void {
  const told = isError(error) ? (error.stack ?? error.message) : String(error)
  process.stderr.write(`sq-wal: internal error, please report it: ${told.split('\n').map(visible).join('\n')}\n`)
}

/** When to use colours: `auto` goes by the environment and by whether stdout is a terminal. */
export type ColorMode = 'auto' | 'always' | 'never'

let paints = pc.createColors(hasColors('auto'))

/** Sets when to use colours. */
export function useColors(mode: ColorMode): void {
  paints = pc.createColors(hasColors(mode))
}

/** The variables of no-color.org, of Node and of the BSD tools, in this order. */
function hasColors(mode: ColorMode): boolean {
  const { NO_COLOR, FORCE_COLOR, CLICOLOR_FORCE, CLICOLOR, TERM } = process.env
  if (mode !== 'auto') return mode === 'always'
  if (isSet(NO_COLOR)) return false
  if (isSet(FORCE_COLOR)) return FORCE_COLOR !== '0'
  if (isSet(CLICOLOR_FORCE) && CLICOLOR_FORCE !== '0') return true
  return process.stdout.isTTY && CLICOLOR !== '0' && TERM !== 'dumb'
}

function isSet(variable: string | undefined): boolean {
  return variable !== undefined && variable !== ''
}

/** Colours for stdout. They do nothing if colours are off. */
export const colors: Readonly<Record<'cyan' | 'dim' | 'green' | 'red' | 'yellow', (text: string) => Painted>> = {
  cyan: (text) => ({ text, paint: (each) => paints.cyan(each) }),
  dim: (text) => ({ text, paint: (each) => paints.dim(each) }),
  green: (text) => ({ text, paint: (each) => paints.green(each) }),
  red: (text) => ({ text, paint: (each) => paints.red(each) }),
  yellow: (text) => ({ text, paint: (each) => paints.yellow(each) }),
}

/** Writes a value as indented JSON. Paths are shortened like everywhere in the output. */
export function writeJson(value: unknown): Promise<void> {
  const json = JSON.stringify(value, (key, each: unknown) => withNumbers(key, withPaths(each)), 2)
  return printLines(json.split('\n').map((line) => [line]))
}

/** A text that starts with a slash is one path, whatever characters follow. */
function withPaths(value: unknown): unknown {
  if (typeof value !== 'string') return value
  return value.startsWith('/') ? shownPath(value) : withShownPaths(value)
}

/** A value as JSON in one line. Offsets become numbers, since they are at most 2^53 - 1. */
export function jsonOf(value: unknown): string {
  return JSON.stringify(value, withNumbers)
}

function withNumbers(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value
}

/** Writes a table: aligned rows under their titles, separated by spaces only. */
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

/** `250 ms`, `1.5 s`, `90 min`, `36 h`, `12 days`: in the largest unit of which there are two or more. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${ms} ms`
  if (ms < 120_000) return `${Math.round(ms / 100) / 10} s`
  if (ms < 2 * 3_600_000) return `${Math.round(ms / 60_000)} min`
  if (ms < 2 * 86_400_000) return `${Math.round(ms / 3_600_000)} h`
  return `${formatCount(Math.round(ms / 86_400_000))} days`
}

let zone: TimeZone = 'UTC'

/** Sets the zone of the times in the output. */
export function printTimesIn(chosen: TimeZone): void {
  zone = chosen
}

/** `2026-11-22 20:57:52.123Z`, in local time `2026-11-22 21:57:52.123+01:00`, or a dash for null. */
export function formatTime(timestampMs: number | null): string {
  if (timestampMs === null) return '-'
  const offsetMinutes = zone === 'UTC' ? 0 : -new Date(timestampMs).getTimezoneOffset()
  const date = new Date(timestampMs + 60_000 * offsetMinutes)
  // Timestamps can be up to 2^53 - 1, dates cannot.
  if (Number.isNaN(date.getTime())) return String(timestampMs)
  const text = date.toISOString().replace('T', ' ')
  return zone === 'UTC' ? text : text.replace('Z', formatUtcOffset(offsetMinutes))
}

/** `+01:00` */
function formatUtcOffset(minutes: number): string {
  const size = Math.abs(minutes)
  const [hour, minute] = [Math.floor(size / 60), size % 60].map((part) => String(part).padStart(2, '0'))
  return `${minutes < 0 ? '-' : '+'}${hour}:${minute}`
}
