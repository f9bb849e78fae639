/** A progress line on stderr, written only to a terminal that can rewrite a line. */
import { SystemClock, type Clock } from '@sq/sim'

export interface Progress {
  /** Replaces the line. Calls `text` only if the last line was visible long enough to be read. */
  show(text: () => string): void
  /** Removes the line, before other output is written. */
  clear(): void
}

/** The parts of a terminal that are used here. */
export interface Terminal {
  readonly isTTY: boolean
  readonly columns: number
  write(text: string): unknown
}

const redrawEveryMs = 80
const eraseLine = '\r\u001B[2K'

export function startProgress(terminal: Terminal = process.stderr, clock: Clock = new SystemClock()): Progress {
  if (!terminal.isTTY || process.env['TERM'] === 'dumb') return { show() {}, clear() {} }
  let drawnMs = -Infinity
  return {
    show(text) {
      const nowMs = clock.monotonic()
      if (nowMs - drawnMs < redrawEveryMs) return
      terminal.write(eraseLine + text().slice(0, (terminal.columns || 80) - 1))
      drawnMs = nowMs
    },
    clear() {
      if (drawnMs > -Infinity) terminal.write(eraseLine)
      drawnMs = -Infinity
    },
  }
}
