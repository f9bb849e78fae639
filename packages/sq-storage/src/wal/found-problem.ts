/** A problem as it is found in a segment, before anybody knows what it means for the log. */
import { CorruptLogError, systemCode, UnsupportedFormatError, WalIoError } from '../errors.ts'
import type { Damage } from '../errors.ts'
import type { Restoration } from './frame-restoration.ts'
import type { ProblemKind } from './log-report.ts'

export interface FoundProblem {
  readonly kind: ProblemKind
  readonly damage: Damage
  /** Readable records of the segment before it. */
  readonly recordsBefore: number
  /** The bytes that would make it good, where they are known. */
  readonly restoration: Restoration | null
}

/** How the file system refuses to open what is no regular file. */
const NO_FILE: ReadonlySet<string | undefined> = new Set(['ELOOP', 'EISDIR', 'EFTYPE'])

/** The problem that an error tells of, in this place where the error does not know better; throws any other error. */
export function asProblem(error: unknown, place: Omit<Damage, 'reason'>): { kind: ProblemKind; damage: Damage } {
  if (error instanceof CorruptLogError) {
    const { path, from, to, firstOffset, lastOffset, reason } = error
    return { kind: 'head', damage: { path, from, to, firstOffset, lastOffset, reason } }
  }
  if (error instanceof UnsupportedFormatError) {
    const { position, message } = error
    return { kind: 'unsupported', damage: { ...place, from: position, reason: message } }
  }
  if (error instanceof WalIoError && systemCode(error.cause) === 'EIO') {
    return { kind: 'unreadable', damage: { ...place, reason: error.message } }
  }
  if (error instanceof WalIoError && NO_FILE.has(systemCode(error.cause))) {
    return { kind: 'not-a-file', damage: { ...place, to: place.from, reason: error.message } }
  }
  throw error
}
