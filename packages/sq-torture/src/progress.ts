/** One line on a terminal that says how far a long run has come; nothing where output is not a terminal. */
import { SystemClock } from '@sq/sim'

const clock = new SystemClock()
const INTERVAL_MS = 200

export class Progress {
  readonly #startedMs = clock.monotonic()
  #shownMs = -Infinity

  get elapsedMs(): number {
    return clock.monotonic() - this.#startedMs
  }

  show(text: () => string): void {
    if (!process.stderr.isTTY || clock.monotonic() - this.#shownMs < INTERVAL_MS) return
    this.#shownMs = clock.monotonic()
    process.stderr.write(`\r\u001B[K${text()}`)
  }

  clear(): void {
    if (process.stderr.isTTY) process.stderr.write('\r\u001B[K')
  }
}

/** `12,345` */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US')
}

/** `75 s` */
export function formatSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
