/** A log that could not be looked at, among others that could. */
import { messageOf } from '../message-of.ts'
import { printNotice } from '../output.ts'

export interface LogFailure {
  readonly topic: string
  /** Null where that is all of a topic's. */
  readonly partition: number | null
  readonly error: string
}

export function failureOf(log: Omit<LogFailure, 'error'>, error: unknown): LogFailure {
  return { topic: log.topic, partition: log.partition, error: messageOf(error) }
}

/** Tells it in one line on stderr. */
export function tellFailure({ topic, partition, error }: LogFailure): void {
  const name = partition === null ? topic : `${topic}/${partition}`
  printNotice(`${name}: ${error}`)
}
