/** A log that could not be read, in a list with others. */
import { messageOf } from '../message-of.ts'
import { printNotice } from '../output.ts'

export interface LogFailure {
  readonly topic: string
  /** Null if the whole topic could not be read. */
  readonly partition: number | null
  readonly error: string
}

export function failureOf(log: Omit<LogFailure, 'error'>, error: unknown): LogFailure {
  return { topic: log.topic, partition: log.partition, error: messageOf(error) }
}

/** Prints the failure in one line on stderr. */
export function printFailure({ topic, partition, error }: LogFailure): void {
  const name = partition === null ? topic : `${topic}/${partition}`
  printNotice(`${name}: ${error}`)
}
