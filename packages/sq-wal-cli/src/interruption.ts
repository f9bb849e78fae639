/** Turns Ctrl-C, and the other polite requests to end, into an `AbortSignal`, so that a command can clean up first. */
import { constants } from 'node:os'

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** The reason of the signal once it is aborted. */
export class Interruption extends Error {
  override readonly name = 'Interruption'
  /** What the shell expects of a process that ended by this signal. */
  readonly exitStatus: number

  constructor(signal: (typeof signals)[number]) {
    super(`interrupted by ${signal}`)
    this.exitStatus = 128 + constants.signals[signal]
  }
}

export interface Interruptible extends Disposable {
  readonly signal: AbortSignal
  /** 0 as long as there was no interruption. */
  readonly exitStatus: number
}

/** Until disposed, these signals do not end the process. */
export function catchInterruption(): Interruptible {
  const controller = new AbortController()
  const interrupt = (signal: (typeof signals)[number]): void => controller.abort(new Interruption(signal))
  for (const signal of signals) process.on(signal, interrupt)
  return {
    signal: controller.signal,
    get exitStatus() {
      const { reason }: { reason: unknown } = controller.signal
      return reason instanceof Interruption ? reason.exitStatus : 0
    },
    [Symbol.dispose]() {
      for (const signal of signals) process.off(signal, interrupt)
    },
  }
}
