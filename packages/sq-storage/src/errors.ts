/**
 * What the log says when something is wrong: one base class with a stable `code`, one class for each case that carries
 * fields of its own. Misuse (a bad topic, a value that is no bytes) is a `TypeError` or `RangeError` instead.
 */

/** The codes are part of the interface; the messages are for people and may change. */
export type WalErrorCode =
  | 'SQ_WAL_IO'
  | 'SQ_WAL_APPEND_FAILED'
  | 'SQ_WAL_APPEND_ALL_FAILED'
  | 'SQ_WAL_BACKLOG_FULL'
  | 'SQ_WAL_CLOSED'
  | 'SQ_WAL_LOCKED'
  | 'SQ_WAL_LOCK_LOST'
  | 'SQ_WAL_CORRUPT'
  | 'SQ_WAL_UNSUPPORTED'
  | 'SQ_WAL_NOT_FOUND'
  | 'SQ_WAL_OFFSET_OUT_OF_RANGE'
  | 'SQ_WAL_DIVERGED'
  | 'SQ_WAL_PROBLEM_CHANGED'
  | 'SQ_WAL_CLOCK_SUSPECT'
  | 'SQ_WAL_INVARIANT'

/** Every error of the log that is not plain misuse. `cause` is kept where there is one. */
export class WalError extends Error {
  readonly code: WalErrorCode

  constructor(code: WalErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
    this.code = code
  }
}

/**
 * Two things that the log knows contradict each other (`SQ_WAL_INVARIANT`): a bug, or broken memory. What was being done
 * has failed, and nothing of it is acknowledged. The message says what was expected. Please report it.
 */
export class InvariantError extends WalError {
  constructor(expected: string) {
    super('SQ_WAL_INVARIANT', `the log contradicts itself, expected: ${expected}`)
  }
}

/** Throws an `InvariantError` unless a condition holds that the log relies on. */
export function invariant(holds: boolean, expected: string): asserts holds {
  if (!holds) throw new InvariantError(expected)
}

/** The file system refused something (`SQ_WAL_IO`); `cause` is its own error, with the system's code. */
export class WalIoError extends WalError {
  readonly path: string

  constructor(attempt: string, path: string, cause: unknown) {
    super('SQ_WAL_IO', `cannot ${attempt} ${path}: ${messageOf(cause)}`, { cause })
    this.path = path
  }
}

/**
 * A commit was not made durable (`SQ_WAL_APPEND_FAILED`): none of its records is acknowledged, nor any queued behind
 * it. The next append may simply be made. `cause` is the file system's error.
 */
export class AppendFailedError extends WalError {
  /** The offset the first record of the failed commit would have had, and the next one acknowledged will have. */
  readonly nextOffset: bigint

  constructor(nextOffset: bigint, cause: unknown) {
    const message = `the commit at offset ${nextOffset} is not durable, none of it is acknowledged`
    const root = cause instanceof WalIoError ? cause.cause : cause
    super('SQ_WAL_APPEND_FAILED', `${message}: ${messageOf(cause)}`, { cause: root })
    this.nextOffset = nextOffset
  }
}

/**
 * A source was not appended to its end (`SQ_WAL_APPEND_ALL_FAILED`): its first so many records are durable, and none
 * after them. `cause` is what went wrong: a `AppendFailedError`, what `append` rejects with, or what the source threw.
 */
export class AppendAllError extends WalError {
  /** How many records are durable, and the offset of the last one; null where there is none. */
  readonly records: number
  readonly lastOffset: bigint | null

  constructor(durable: { records: number; lastOffset: bigint | null }, cause: unknown) {
    const { records, lastOffset } = durable
    super('SQ_WAL_APPEND_ALL_FAILED', `after ${records} durable records of the source: ${messageOf(cause)}`, { cause })
    this.records = records
    this.lastOffset = lastOffset
  }
}

/** More is waiting to be durable than `maxPendingBytes` allows (`SQ_WAL_BACKLOG_FULL`): wait for some of it. */
export class BacklogFullError extends WalError {
  readonly pendingBytes: number
  readonly maxPendingBytes: number

  constructor(state: { pendingBytes: number; maxPendingBytes: number }) {
    const { pendingBytes, maxPendingBytes } = state
    super('SQ_WAL_BACKLOG_FULL', `${pendingBytes} bytes wait to be durable, maxPendingBytes is ${maxPendingBytes}`)
    this.pendingBytes = pendingBytes
    this.maxPendingBytes = maxPendingBytes
  }
}

/** The writer or reader was closed (`SQ_WAL_CLOSED`). */
export class ClosedError extends WalError {
  constructor(what: 'writer' | 'reader', path: string) {
    super('SQ_WAL_CLOSED', `the ${what} of ${path} is closed`)
  }
}

/** Another writer has this partition open, here or in another process (`SQ_WAL_LOCKED`). */
export class LockedError extends WalError {
  readonly path: string

  constructor(path: string, cause: unknown) {
    super('SQ_WAL_LOCKED', `another writer has this partition open: it holds the lock on ${path}`, { cause })
    this.path = path
  }
}

/**
 * The lock file of a writer, or a directory above it, was removed or replaced (`SQ_WAL_LOCK_LOST`). The writer touches
 * no name there any more. What it acknowledged since may be gone with the directory. Where `WalWriter.open` rejects with
 * this, the file was replaced while it was being locked, and nothing was changed.
 */
export class LockLostError extends WalError {
  readonly path: string

  constructor(path: string) {
    super(
      'SQ_WAL_LOCK_LOST',
      `${path} was removed or replaced while its writer had the lock; what it wrote since may be lost`,
    )
    this.path = path
  }
}

/** What is damaged: `[from, to)` are byte positions in the file. */
export interface Damage {
  readonly path: string
  readonly from: number
  readonly to: number
  /**
   * First and last offset that may be lost. `lastOffset` is null where nothing tells where the damage ends, and
   * `firstOffset - 1` where it holds no record.
   */
  readonly firstOffset: bigint
  readonly lastOffset: bigint | null
  /** What was expected there, and what was found. */
  readonly reason: string
}

/** Bytes that were durable are no longer what they were (`SQ_WAL_CORRUPT`). Nothing was changed. */
export class CorruptLogError extends WalError implements Damage {
  readonly path: string
  readonly from: number
  readonly to: number
  readonly firstOffset: bigint
  readonly lastOffset: bigint | null
  readonly reason: string

  constructor(damage: Damage) {
    const { path, from, to, firstOffset, lastOffset, reason } = damage
    super('SQ_WAL_CORRUPT', `${path} is damaged in bytes ${from} to ${to} (${showOffsets(damage)}): ${reason}`)
    this.path = path
    this.from = from
    this.to = to
    this.firstOffset = firstOffset
    this.lastOffset = lastOffset
    this.reason = reason
  }
}

/** A whole, undamaged file or frame that this version does not know how to read (`SQ_WAL_UNSUPPORTED`). */
export class UnsupportedFormatError extends WalError {
  readonly path: string
  readonly position: number

  constructor(what: { path: string; position: number; found: string }) {
    super('SQ_WAL_UNSUPPORTED', `${what.path}, position ${what.position}: ${what.found}`)
    this.path = what.path
    this.position = what.position
  }
}

/** There is no log for this topic and partition (`SQ_WAL_NOT_FOUND`). */
export class LogNotFoundError extends WalError {
  readonly path: string

  constructor(path: string) {
    super('SQ_WAL_NOT_FOUND', `there is no log in ${path}`)
    this.path = path
  }
}

/** The log holds no such offset (`SQ_WAL_OFFSET_OUT_OF_RANGE`): it begins at `firstOffset` and ends before `nextOffset`. */
export class OffsetOutOfRangeError extends WalError {
  readonly offset: bigint
  readonly firstOffset: bigint
  /** Where `offset` is before `firstOffset` and no writer in this process can tell, the log may go on after this one. */
  readonly nextOffset: bigint

  constructor(state: { path: string; offset: bigint; firstOffset: bigint; nextOffset: bigint }) {
    const { path, offset, firstOffset, nextOffset } = state
    super(
      'SQ_WAL_OFFSET_OUT_OF_RANGE',
      `offset ${offset} is not in ${path}: it begins at ${firstOffset} and ends before ${nextOffset}`,
    )
    this.offset = offset
    this.firstOffset = firstOffset
    this.nextOffset = nextOffset
  }
}

/**
 * Records that a reader already returned are no longer in the log (`SQ_WAL_DIVERGED`): it was truncated, or, for a reader
 * in another process, their commit failed after its bytes could be seen. Beside the writer everything from `offset` on
 * is void, and nothing before it. Of records that were read at once, up to 256 of a commit, the rest is returned before
 * this error: they were in the log when they were read.
 *
 * A reader in another process knows only what it finds there: a last segment that has become shorter than what it read,
 * say. All records before `offset` are in the log as they were; of those behind it some may be, too, where many commits
 * of one segment are gone. If it comes while the truncation is half-way, it is told a later offset than the one that the log will end at.
 * If the truncation is inside a commit, it is told the offset that the commit begins with, though the records before
 * the cut are in the log as they were. Where the segment in which the log was cut is deleted by then, nothing is left
 * to compare with: it is told what was deleted instead (`SQ_WAL_OFFSET_OUT_OF_RANGE`). Who must hold what the log holds
 * reads it anew from where it is certain.
 */
export class DivergedError extends WalError {
  readonly offset: bigint

  constructor(state: { path: string; offset: bigint }) {
    super(
      'SQ_WAL_DIVERGED',
      `${state.path}: records from offset ${state.offset} on were read, and are no longer in the log`,
    )
    this.offset = state.offset
  }
}

/**
 * A repair was chosen for a problem that is not there any more as it was reported, or would now cost something else
 * (`SQ_WAL_PROBLEM_CHANGED`). Nothing was changed. To be chosen again from a new report.
 */
export class ProblemChangedError extends WalError {
  /** The path of the problem that was reported. */
  readonly path: string

  constructor(problem: { path: string; kind: string; repair: string }) {
    const { path, kind, repair } = problem
    super(
      'SQ_WAL_PROBLEM_CHANGED',
      `${repair} was chosen for a ${kind} problem of ${path} that is no longer as reported`,
    )
    this.path = path
  }
}

/**
 * Segments were to be deleted by age, and the wall clock contradicts the log (`SQ_WAL_CLOCK_SUSPECT`). Nothing was
 * deleted. Set the clock or, where it is right, delete with `trustClock`; limits other than `maxAgeMs` need no clock.
 */
export class ClockSuspectError extends WalError {
  /** The directory of the log. */
  readonly path: string
  /** What the clock said, in milliseconds since 1970. */
  readonly nowMs: number
  /** The time that it contradicts: of the log, or by the monotonic clock. */
  readonly referenceMs: number

  constructor(
    path: string,
    { nowMs, referenceMs, reference }: { nowMs: number; referenceMs: number; reference: string },
  ) {
    const found = `the clock says ${showTime(nowMs)}, ${reference} ${showTime(referenceMs)}`
    super(
      'SQ_WAL_CLOCK_SUSPECT',
      `nothing of ${path} was deleted by age: ${found}; set the clock or, if it is right, delete with trustClock`,
    )
    this.path = path
    this.nowMs = nowMs
    this.referenceMs = referenceMs
  }
}

/** The system's code of a file system error, such as `ENOENT`. */
export function systemCode(error: unknown): string | undefined {
  const code = fieldOf(error, 'code')
  return isError(error) && typeof code === 'string' ? code : undefined
}

/**
 * Whether something is an error, by what it has. Node's own errors are no `instanceof Error` where this code runs in
 * another realm than Node's, as tests do in Jest and in vitest's pools of VMs.
 */
export function isError(error: unknown): error is { message: string } {
  return typeof fieldOf(error, 'message') === 'string'
}

/**
 * What something that was thrown says in a field; undefined where it is no object, or where the field cannot be read:
 * anything may be thrown, and whoever waits must be told of it.
 */
export function fieldOf(thrown: unknown, field: 'code' | 'errno' | 'message'): unknown {
  if (typeof thrown !== 'object' || thrown === null) return undefined
  try {
    return Reflect.get(thrown, field)
  } catch {
    return undefined
  }
}

function showOffsets({ firstOffset, lastOffset }: Damage): string {
  if (lastOffset === null) return `offsets ${firstOffset} and all after it`
  return lastOffset < firstOffset ? 'no record' : `offsets ${firstOffset} to ${lastOffset}`
}

/** Anything that was thrown, as an error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(messageOf(thrown), { cause: thrown })
}

/** What is told of anything that was thrown. Never throws itself: somebody waits to be told. */
/** A time as ISO 8601 writes it; those that no date reaches as a number. */
function showTime(ms: number): string {
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? `${ms} ms after 1970` : date.toISOString()
}

function messageOf(cause: unknown): string {
  try {
    return isError(cause) ? cause.message : String(cause)
  } catch {
    return 'something was thrown that cannot be shown'
  }
}
