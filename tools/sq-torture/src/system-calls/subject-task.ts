/**
 * What the process whose system calls are made to fail is told, and what it writes: a line for each acknowledgement,
 * and at last what it found, in JSON.
 */
import type { Contents } from '../history.ts'

export interface SubjectTask {
  readonly dataDir: string
  /** What the log holds already. */
  readonly held: Contents
  /** The serial number of the first record it appends; the others follow. */
  readonly firstSerial: number
}

/** The line that is written as soon as an append was acknowledged. */
export function acknowledgement(serials: readonly number[]): string {
  return `acknowledged ${serials.join(' ')}`
}

/** The serial numbers in a text that holds such a line; null where it holds none. */
export function findAcknowledged(text: string): number[] | null {
  const [, serials] = /acknowledged ([\d ]+)/.exec(text) ?? []
  return serials === undefined ? null : serials.split(' ').map(Number)
}

export interface SubjectFound {
  /** All contents the log may now have. */
  readonly possible: readonly Contents[]
  readonly acknowledged: number
  readonly rejected: number
  /** How many times something failed; appends that are rejected together count once. */
  readonly failures: number
  /** Files of the log that were left open. */
  readonly openFiles: readonly string[]
}
