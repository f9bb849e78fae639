/**
 * The task of the process whose system calls are made to fail, and its output: a line per acknowledgement, and its
 * result as JSON at the end.
 */
import type { Contents } from '../history.ts'

export interface SubjectTask {
  readonly dataDir: string
  /** The serial numbers in the log at the start. */
  readonly held: Contents
  /** The serial number of the first record that it appends. Later ones count up. */
  readonly firstSerial: number
}

/** The line that is written as soon as an append is acknowledged. */
export function acknowledgement(serials: readonly number[]): string {
  return `acknowledged ${serials.join(' ')}`
}

/** The serial numbers in a text with such a line, or null. */
export function findAcknowledged(text: string): number[] | null {
  const [, serials] = /acknowledged ([\d ]+)/.exec(text) ?? []
  return serials === undefined ? null : serials.split(' ').map(Number)
}

export interface SubjectFound {
  /** All contents that the log may have now. */
  readonly possible: readonly Contents[]
  readonly acknowledged: number
  readonly rejected: number
  /** The number of failures. Appends that are rejected together count once. */
  readonly failures: number
  /** Files of the log that are still open. */
  readonly openFiles: readonly string[]
}
