/** A progress bar on stderr with rate and remaining time. Shown only on a terminal, after the first second. */
import { SystemClock } from '@sq/sim'
import type { Clock } from '@sq/sim'
import type { SingleBar } from 'cli-progress'
import { visible } from './visible.ts'

const SHOWN_AFTER_MS = 1000

export interface ProgressBar extends Disposable {
  /** Sets how much of the total is done. */
  reached(done: number): void
  /** Removes the bar, before other output is written. */
  stop(): void
}

/** Whether a person is at the terminal and does not see the output, which would itself show the progress. */
export function isOutputUnseen(isFiltered = false): boolean {
  return process.stderr.isTTY && (!process.stdout.isTTY || isFiltered)
}

/** `total` is null if it is unknown. `format` formats an amount, such as bytes; null shows no amount. */
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
      // A file can have grown since its size was taken, and can be read twice.
      const done = Math.min(amountDone, total ?? Infinity)
      if (clock.monotonic() - startedMs < SHOWN_AFTER_MS) return
      if (bar === null) {
        // The bar does not change the mode of the terminal, so nothing has to be restored after Ctrl-C.
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
