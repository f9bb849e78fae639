/** Turns SIGINT, SIGTERM and SIGHUP into an `AbortSignal`, so that a command can clean up before it exits. */
import { constants } from 'node:os'

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** The reason of the signal once it is aborted. */
export class Interruption extends Error {
  override readonly name = 'Interruption'
  /** The exit status that a shell expects of a process that was ended by this signal. */
  readonly exitStatus: number

  constructor(signal: (typeof signals)[number]) {
    super(`interrupted by ${signal}`)
    this.exitStatus = 128 + constants.signals[signal]
  }
}

export interface Interruptible extends Disposable {
  readonly signal: AbortSignal
  /** 0 unless a signal has arrived. */
  readonly exitStatus: number
}

/** Until it is disposed, these signals do not end the process. */
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
