/** The logs of one process on a machine. They die together, and are opened again one after another. */
import type { Random } from '@sq/sim'
import type { InMemoryFileSystem } from '@sq/sim/memory'
import { WalError } from '@sq/storage'
import type { WalErrorCode } from '@sq/storage'
import type { LimitsUnderTest } from '../log/limits-under-test.ts'
import type { LogUnderTest } from '../log/log-under-test.ts'
import { untilReadOnly } from '../read-only.ts'

export class Machine {
  readonly fs: InMemoryFileSystem
  /** The log that has tailing readers, and its neighbours. */
  readonly logs: readonly [LogUnderTest, ...LogUnderTest[]]
  readonly limits: LimitsUnderTest
  /** The number of power cuts and kills. */
  stops = 0
  #deaths = 0
  readonly #onOpen: () => void

  /** `onOpen` is called when all logs have been opened. */
  constructor(
    fs: InMemoryFileSystem,
    { logs, limits, onOpen }: { logs: Machine['logs']; limits: LimitsUnderTest; onOpen: () => void },
  ) {
    this.fs = fs
    this.logs = logs
    this.limits = limits
    this.#onOpen = onOpen
  }

  get acknowledged(): number {
    return this.logs.reduce((sum, { acknowledged }) => sum + acknowledged, 0)
  }

  get rejected(): number {
    return this.logs.reduce((sum, { rejected }) => sum + rejected, 0)
  }

  /** Waits for an action of the process, or for its death. */
  untilDead(work: Promise<unknown>): Promise<void> {
    return this.logs[0].untilDead(work)
  }

  /** Kills the process. */
  die(): void {
    this.#deaths++
    for (const log of this.logs) log.die()
  }

  /** Kills only the process of the writers, while it waits for nothing, and opens the logs again. */
  async restartAlone(): Promise<void> {
    this.stops++
    this.#deaths++
    for (const log of this.logs) await log.dieAlone()
    await this.open()
  }

  /** Cuts the power or kills the process. The logs must be opened again. */
  stop(how: 'power-cut' | 'kill', random: Random): void {
    this.stops++
    this.die()
    if (how === 'kill') this.fs.kill()
    else this.fs.crash({ random })
  }

  /** Opens the logs that are not open, and retries while faults strike: each strikes once. */
  async open(): Promise<void> {
    for (const log of this.logs) await this.#open(log)
    this.#onOpen()
  }

  async #open(log: LogUnderTest): Promise<void> {
    while (!log.isOpen) {
      try {
        await untilReadOnly(this, () => log.open())
      } catch (error) {
        if (!isFault(error)) throw error
      }
    }
  }

  /** Runs an action that may fail because of a fault. Afterwards the logs are open, unless the process has died. */
  async tolerate(attempt: () => Promise<unknown>): Promise<void> {
    const deaths = this.#deaths
    try {
      await untilReadOnly(this, attempt)
    } catch (error) {
      if (!isFault(error)) throw error
    }
    if (deaths === this.#deaths && this.logs.some(({ isOpen }) => !isOpen)) await this.open()
  }
}

const EXPLAINED: ReadonlySet<WalErrorCode> = new Set(['SQ_WAL_IO', 'SQ_WAL_APPEND_FAILED', 'SQ_WAL_CLOCK_SUSPECT'])

/** Whether a fault or a wrong clock explains an error. Corruption and violations are never explained. */
function isFault(error: unknown): boolean {
  return error instanceof WalError && EXPLAINED.has(error.code)
}
