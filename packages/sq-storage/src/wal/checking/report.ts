/**
 * The report of `verify` and the repairs that it offers. Plain data: a bigint is the only thing in it that JSON does
 * not have.
 */
import { CorruptLogError, systemCode, UnsupportedFormatError, WalIoError } from '../../errors.ts'
import type { Damage } from '../../errors.ts'
import type { Restoration } from './frame-restoration.ts'

/**
 * The kinds of problems. Stable, for programs.
 *
 * - `head`: the segment header or OPEN of a segment does not verify, or belongs to another segment. Without them
 *   nothing in the file can be checked.
 * - `frame`: the bytes of one or more frames do not verify, or do not continue what is before them.
 * - `records`: a frame verifies, but its body is not made of records.
 * - `seal`: the body of a SEAL does not verify. No record is lost.
 * - `summary`: a SEAL verifies, but states something wrong about the records of its segment. No record is lost.
 * - `short`: a file ends before its segment does.
 * - `link`: the frames of a segment verify, but do not end as its successor states.
 * - `missing`: a segment states a different segment before it than the one that is there.
 * - `not-a-file`: a file with the name of a segment is not a regular file, but a directory, a symbolic link, a FIFO, a
 *   socket or a device. It was not opened.
 * - `unreadable`: the file system cannot read the bytes (`EIO`). Reported up to the end of the segment.
 * - `log-start`: the file `log-start`, which says up to which offset records are deleted, does not verify. No record is
 *   lost. Neither readers nor writers open the log.
 * - `unsupported`: undamaged, but of a kind that this version does not know. Reported up to the end of the segment.
 */
export type ProblemKind =
  | 'head'
  | 'frame'
  | 'records'
  | 'seal'
  | 'summary'
  | 'short'
  | 'link'
  | 'missing'
  | 'not-a-file'
  | 'unreadable'
  | 'log-start'
  | 'unsupported'

/**
 * The kinds of repairs.
 *
 * - `restore`: the damaged bytes are known, because an intact checksum confirms them. They are written again.
 * - `drop-from`: the log ends before the first damaged offset. All later records are given up, including good ones
 *   after the damage.
 * - `drop-through`: the log begins after the damaged segment. All earlier records are given up, including good ones
 *   before the damage.
 * - `remove-log-start`: the file `log-start` is removed. The log begins with its first segment, so records of it that
 *   were deleted are there again.
 */
export type RepairKind = 'restore' | 'drop-from' | 'drop-through' | 'remove-log-start'

/** A possible repair and its cost. */
export interface PossibleRepair {
  readonly kind: RepairKind
  /** The log start offset afterwards. */
  readonly firstOffset: bigint
  /** The log end offset afterwards. */
  readonly nextOffset: bigint
  /** The number of readable records that it drops. */
  readonly readableRecordsLost: number
}

/** A problem of a log. */
export interface LogProblem extends Damage {
  readonly kind: ProblemKind
  /** The possible repairs, the cheapest first; empty if none is offered. */
  readonly repairs: readonly PossibleRepair[]
}

/**
 * The kinds of notes: findings that are not problems. Stable, for programs.
 *
 * - `torn`: the last segment ends with a part of an unfinished write. The next writer truncates it or, if it is a
 *   SEAL, completes it.
 * - `ignored-tail`: bytes after the stated end of a segment. They are ignored.
 * - `mark`: the body of a MARK has changed. Nothing depends on it, but the disk may be failing.
 * - `quarantined`: a file with what an earlier repair removed from the log. You may delete it.
 * - `unfinished-reset`: the new segment of a log whose `resetTo` was interrupted. The next writer completes the reset.
 * - `unknown-file`: a file with a name that the log does not use. Readers and writers ignore it.
 */
export type NoteKind = 'torn' | 'ignored-tail' | 'mark' | 'quarantined' | 'unfinished-reset' | 'unknown-file'

/** A finding that is not a problem: its position, and its description. */
export interface LogNote {
  readonly kind: NoteKind
  /** The file, or the directory if the note is about more than one file. */
  readonly path: string
  /** `[from, to)` are byte positions in the file; both are 0 for whole files. */
  readonly from: number
  readonly to: number
  /** The description, for people. */
  readonly text: string
  /**
   * The number of files: 1, except for `quarantined`, `unfinished-reset` and `unknown-file`. The first 100 files of
   * these kinds, by name, have a note each; one more note counts the others.
   */
  readonly files: number
}

/** The findings of `verify` about a log. */
export interface LogReport {
  readonly topic: string
  readonly partition: number
  /** The directory of the segments. */
  readonly directory: string
  /** The log start offset and the log end offset. Records between them may be damaged. */
  readonly firstOffset: bigint
  readonly nextOffset: bigint
  readonly segments: number
  /** The number of readable records. */
  readonly records: number
  /** The number of bytes that verified. */
  readonly bytes: number
  /**
   * By segment and position. If this is empty, every byte that means something is as it was written. A segment has at
   * most 1000 problems; the last one then covers the rest of the damage, and says so.
   */
  readonly problems: readonly LogProblem[]
  /** A segment has at most 1000 notes about MARKs. */
  readonly notes: readonly LogNote[]
}

/** A problem of a segment, before its meaning for the log is known. */
export interface FoundProblem {
  readonly kind: ProblemKind
  readonly damage: Damage
  /** The number of readable records before it in the segment. */
  readonly recordsBefore: number
  /** The bytes that would repair it, if they are known. */
  readonly restoration: Restoration | null
}

/** The codes of the file system for something that is not a regular file. */
const NO_FILE: ReadonlySet<string | undefined> = new Set(['ELOOP', 'EISDIR', 'EFTYPE'])

/**
 * The limit of problems, and of notes of one kind, per segment. A crafted segment may have a million, which would take
 * far more memory than the file.
 */
export const MAX_FINDINGS = 1000

/** The problems of one segment, in order. If there are too many, the last one covers all that follow. */
export class FoundProblems {
  readonly all: FoundProblem[] = []
  #reason = ''

  /** Whether further problems only extend the last one, so that nothing has to be known about how to repair them. */
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

/** The problem that an error describes, at this place unless the error is more precise. Throws any other error. */
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
