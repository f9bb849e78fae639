/** The limits that the logs of one process share. */
import { SharedLimits } from '@sq/storage'
import type { BacklogFullError } from '@sq/storage'
import { Violation } from '../history.ts'

export class LimitsUnderTest {
  #maxPendingBytes: number
  #limits: SharedLimits

  constructor(maxPendingBytes: number) {
    this.#maxPendingBytes = maxPendingBytes
    this.#limits = new SharedLimits({ maxPendingBytes })
  }

  get limits(): SharedLimits {
    return this.#limits
  }

  /** A new process: what waited in the last one never settles. */
  begin(): void {
    this.#limits = new SharedLimits({ maxPendingBytes: this.#maxPendingBytes })
  }

  configure(maxPendingBytes: number): void {
    this.#maxPendingBytes = maxPendingBytes
    this.#limits.configure({ maxPendingBytes })
  }

  /** Calls an append. What waits may exceed the limit only if nothing waited before. */
  calling<T>(append: () => Promise<T>): Promise<T> {
    const { pendingBytes: before } = this.#limits
    const result = append()
    // After a violation nobody waits for it.
    result.catch(() => {})
    const { pendingBytes, maxPendingBytes } = this.#limits
    if (pendingBytes > before && before > 0 && pendingBytes > maxPendingBytes) {
      throw new Violation(`10: ${pendingBytes} bytes wait in all logs together, but the limit is ${maxPendingBytes}`)
    }
    return result
  }

  /** A refusal must be by the limits that were in force when the append was called, and needed. */
  checkRefusal(
    { limit, pendingBytes, neededBytes, maxPendingBytes }: BacklogFullError,
    limits: Readonly<Record<BacklogFullError['limit'], number>>,
  ): void {
    const isNeeded = pendingBytes > 0 && pendingBytes + neededBytes > maxPendingBytes
    if (isNeeded && maxPendingBytes === limits[limit]) return
    const what = `${neededBytes} bytes more than ${pendingBytes} were refused, at a limit of ${maxPendingBytes}`
    throw new Violation(`10: ${what}, expected ${limits[limit]}`)
  }

  /** After all appends have settled. */
  mustBeEmpty(): void {
    const { pendingBytes } = this.#limits
    if (pendingBytes !== 0) throw new Violation(`10: ${pendingBytes} bytes count as waiting, but nothing waits`)
  }

  /** Waits for something that must happen soon after nothing waits in any log any more, or for the process to die. */
  async soon(work: Promise<unknown>, isAlive: () => boolean): Promise<void> {
    const waiting = new Set([work])
    const settled = () => waiting.delete(work)
    work.then(settled, settled)
    const watch = async (): Promise<void> => {
      for (let turns = 0; waiting.size > 0 && isAlive(); turns = this.#limits.pendingBytes > 0 ? 0 : turns + 1) {
        if (turns > 100) throw new Violation('12: nothing waits in any log, but a caller still waits for room')
        await new Promise(setImmediate)
      }
    }
    // The caller goes on at once, as a caller of the writer would.
    await Promise.race([work, watch()])
  }
}
