/**
 * What `verify` tells of a log, and what `repair` is told to do about it. Plain data: a bigint is the only thing in it
 * that JSON does not know.
 */
import { CorruptLogError, systemCode, UnsupportedFormatError, WalIoError } from '../../errors.ts'
import type { Damage } from '../../errors.ts'
import type { Restoration } from './frame-restoration.ts'

/**
 * What is wrong; stable, for programs.
 *
 * - `head`: a segment's first bytes, its segment header and OPEN, do not verify, or are those of another segment.
 *   Without them nothing in the file can be checked.
 * - `frame`: the bytes of one frame or more do not verify, or do not follow what stands before them.
 * - `records`: a frame verifies, but is not made of records.
 * - `seal`: the body of a SEAL does not verify. No record is lost with it.
 * - `summary`: a SEAL verifies, but says of its segment's records what is not so. No record is lost with it.
 * - `short`: a file ends before its segment does.
 * - `link`: a segment's frames verify, but do not end as its successor states.
 * - `missing`: a segment states another one before it than the one that is there.
 * - `not-a-file`: what has a segment's name is no regular file, but a directory, a symbolic link, a FIFO, a socket or a
 *   device. It was not opened.
 * - `unreadable`: the file system cannot read the bytes (`EIO`). Reported to the segment's end.
 * - `unsupported`: undamaged, and of a kind that this version does not know. Reported to the segment's end.
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
  | 'unsupported'

/**
 * What can be done about a problem.
 *
 * - `restore`: the damaged bytes are known, since a checksum that is intact says what they were. They are written
 *   again.
 * - `drop-from`: the log ends before the first damaged offset; all later records are given up, those after the damage
 *   too.
 * - `drop-through`: the log begins behind the damaged segment; all earlier records are given up, those before the
 *   damage too.
 */
export type RepairKind = 'restore' | 'drop-from' | 'drop-through'

/** A repair that is possible, and what it costs. */
export interface PossibleRepair {
  readonly kind: RepairKind
  /** The log's first offset afterwards. */
  readonly firstOffset: bigint
  /** The log's next offset afterwards. */
  readonly nextOffset: bigint
  /** How many records it gives up that can be read today. */
  readonly readableRecordsLost: number
}

/** Something that should not be so. */
export interface LogProblem extends Damage {
  readonly kind: ProblemKind
  /** What `repair` could do, the one that costs least first; empty where nothing is offered. */
  readonly repairs: readonly PossibleRepair[]
}

/**
 * What is good to know, and no problem; stable, for programs.
 *
 * - `torn`: the last segment ends in the rest of an unfinished write. The next writer cuts it off, or, where it is a
 *   SEAL, finishes it.
 * - `ignored-tail`: bytes behind a segment's stated end. They mean nothing.
 * - `mark`: the body of a MARK is not what was written. Nothing depends on it, but the disk may be going bad.
 * - `quarantined`: what an earlier repair took out of the log. It may be removed.
 * - `unknown-file`: a name that no log makes. Readers and writers ignore it.
 */
export type NoteKind = 'torn' | 'ignored-tail' | 'mark' | 'quarantined' | 'unknown-file'

/** Something found that is no problem, where it is, and what it is in words. */
export interface LogNote {
  readonly kind: NoteKind
  /** The file; the directory where the note is about more than one. */
  readonly path: string
  /** `[from, to)` are byte positions in the file; both 0 where whole files are meant. */
  readonly from: number
  readonly to: number
  /** In words. */
  readonly text: string
  /**
   * How many files it is about: 1, but for `quarantined` and `unknown-file`. The first 100 files of these kinds, by name, have a
   * note each; one more note is about all others.
   */
  readonly files: number
}

/** A log as `verify` found it. */
export interface LogReport {
  readonly topic: string
  readonly partition: number
  /** Where the segments are. */
  readonly directory: string
  /** The log's first offset, and the one after its last record. Between them some may be damaged. */
  readonly firstOffset: bigint
  readonly nextOffset: bigint
  readonly segments: number
  /** Records that can be read. */
  readonly records: number
  /** Bytes of the segments that verified. */
  readonly bytes: number
  /**
   * By segment and position. Empty: every byte that means something is as it was written. Of one segment there are 1000
   * at most; the last of these goes as far as the damage does, and says so.
   */
  readonly problems: readonly LogProblem[]
  /** Of one segment at most 1000 are about MARKs. */
  readonly notes: readonly LogNote[]
}

/** A problem as it is found in a segment, before anybody knows what it means for the log. */
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
