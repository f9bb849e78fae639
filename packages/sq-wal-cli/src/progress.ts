/** A bar on stderr with rate and time left, for what takes more than a second; only on a terminal. */
import { SystemClock } from '@sq/sim'
import type { Clock } from '@sq/sim'
import type { SingleBar } from 'cli-progress'
import { visible } from './visible.ts'

const SHOWN_AFTER_MS = 1000

export interface ProgressBar extends Disposable {
  /** How much is done by now, of the total it was made for. */
  reached(done: number): void
  /** Takes the bar away, before something else is written. */
  stop(): void
}

/** Whether somebody at a terminal does not see what is written, which would show by itself how far it is. */
export function isOutputUnseen(isFiltered = false): boolean {
  return process.stderr.isTTY && (!process.stdout.isTTY || isFiltered)
}

/** `total` is null where it is not known; `format` tells an amount, such as bytes, and is null where none matters. */
export async function progressBar(
  what: string,
  { total, format, clock = new SystemClock(), stream = process.stderr }: BarOptions,
): Promise<ProgressBar> {
  if (!stream.isTTY || process.env['TERM'] === 'dumb') return { reached() {}, stop() {}, [Symbol.dispose]() {} }
  const { default: progress } = await import('cli-progress')
  const startedMs = clock.monotonic()
  const told = (done: number): { amount: string; rate: string; left: string } => {
    const perMs = done / Math.max(clock.monotonic() - startedMs, 1)
    const left = perMs === 0 || total === null ? '?' : String(Math.ceil((total - done) / perMs / 1000))
    return { amount: format?.(done) ?? '', rate: format?.(Math.round(perMs * 1000)) ?? '', left }
  }
  const amount = format === null ? '' : '  {amount}  {rate}/s'
  const title = visible(what)
  const line = total === null ? `${title}${amount}` : `${title} [{bar}] {percentage} %${amount}  {left} s left`
  let bar: SingleBar | null = null
  const stop = (): void => bar?.stop()
  return {
    reached(amountDone) {
      // What is read may have grown since it was measured, and may be read twice.
      const done = Math.min(amountDone, total ?? Infinity)
      if (clock.monotonic() - startedMs < SHOWN_AFTER_MS) return
      if (bar === null) {
        // It leaves the terminal as it is, so that there is nothing to put right where Ctrl-C ends the process.
        bar = new progress.SingleBar({ format: line, clearOnComplete: true, linewrap: true, stream })
        bar.start(total ?? 0, done, told(done))
      }
      bar.update(done, told(done))
    },
    stop,
    [Symbol.dispose]: stop,
  }
}

interface BarOptions {
  readonly total: number | null
  readonly format: ((amount: number) => string) | null
  readonly clock?: Clock
  readonly stream?: NodeJS.WritableStream & { readonly isTTY?: boolean }
}
