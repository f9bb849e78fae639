/** A log that could not be read, in a list with others. */
import { isError, messageOf } from '../message-of.ts'
import { printNotice } from '../output.ts'

export interface LogFailure {
  readonly topic: string
  /** Null if the whole topic could not be read. */
  readonly partition: number | null
  readonly error: string
}

/** The failure of a log. Throws the error if it does not come from the log: a usage error, or a bug. */
export function failureOf({ topic, partition }: Omit<LogFailure, 'error'>, error: unknown): LogFailure {
  if (!isError(error) || !('code' in error)) throw error
  return { topic, partition, error: messageOf(error) }
}

/** Prints the failure in one line on stderr. */
export function printFailure({ topic, partition, error }: LogFailure): void {
  const name = partition === null ? topic : `${topic}/${partition}`
  printNotice(`${name}: ${error}`)
}
