/**
 * Shows the progress of a long run on stderr: on a terminal one line that is overwritten, otherwise a line every 30
 * seconds, so that a log of the output shows that the run is alive.
 */
import { SystemClock } from '@sq/sim'
import type { Clock } from '@sq/sim'

const TERMINAL_INTERVAL_MS = 200
const PROTOCOL_INTERVAL_MS = 30_000
const CLEAR_LINE = '\r\u001B[K'

/** The output for progress lines. */
export interface ProgressOutput {
  readonly isTTY?: boolean
  write(text: string): unknown
}

export class Progress {
  readonly #output: ProgressOutput
  readonly #clock: Clock
  readonly #startedMs: number
  #shownMs: number

  constructor(output: ProgressOutput, clock: Clock) {
    this.#output = output
    this.#clock = clock
    this.#startedMs = clock.monotonic()
    this.#shownMs = output.isTTY === true ? -Infinity : this.#startedMs
  }

  get elapsedMs(): number {
    return this.#clock.monotonic() - this.#startedMs
  }

  /** Shows a text, unless one was shown a moment ago. */
  show(text: () => string): void {
    const isTerminal = this.#output.isTTY === true
    const nowMs = this.#clock.monotonic()
    if (nowMs - this.#shownMs < (isTerminal ? TERMINAL_INTERVAL_MS : PROTOCOL_INTERVAL_MS)) return
    this.#shownMs = nowMs
    this.#output.write(isTerminal ? `${CLEAR_LINE}${text()}` : `${text()}\n`)
  }

  /** Removes the line on a terminal, before other output is written. */
  clear(): void {
    if (this.#output.isTTY === true) this.#output.write(CLEAR_LINE)
  }
}

/** Runs an action with a progress line. The line is removed at the end, also after a failure. */
export async function withProgress<T>(work: (progress: Progress) => Promise<T>): Promise<T> {
  const progress = new Progress(process.stderr, new SystemClock())
  try {
    return await work(progress)
  } finally {
    progress.clear()
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
