/** A problem as it is found in a segment, before anybody knows what it means for the log. */
import { CorruptLogError, systemCode, UnsupportedFormatError, WalIoError } from '../../errors.ts'
import type { Damage } from '../../errors.ts'
import type { Restoration } from './frame-restoration.ts'
import type { ProblemKind } from './report.ts'

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

/**
 * How many problems, and how many notes of one kind, are told of one segment: a hostile one may have a million, which
 * nobody reads, and which would take far more memory than the file.
 */
export const MAX_FINDINGS = 1000

/** The problems of one segment, in order. The last of very many stands for all that come after it. */
export class FoundProblems {
  readonly all: FoundProblem[] = []
  #reason = ''

  /** Whether those to come are only counted as part of the last: nothing needs to be known of how to restore them. */
  get isFull(): boolean {
    return this.all.length >= MAX_FINDINGS
  }

  add(problem: FoundProblem): void {
    const last = this.all.at(-1)
    if (last === undefined || !this.isFull) {
      this.all.push(problem)
      this.#reason = problem.damage.reason
      return
    }
    const { to, lastOffset } = problem.damage
    const reason = `${this.#reason}; more damage follows, up to ${to}`
    this.all[this.all.length - 1] = { ...last, damage: { ...last.damage, to, lastOffset, reason }, restoration: null }
  }
}

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
