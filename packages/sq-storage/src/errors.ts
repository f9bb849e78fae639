/**
 * Errors of the log: one base class with a stable `code`, and a class for each case that has fields of its own. Misuse
 * (a bad topic, a value that is not bytes) is a `TypeError` or `RangeError` instead.
 */

/** The codes are part of the interface. The messages are for people and may change. */
export type WalErrorCode =
  | 'SQ_WAL_IO'
  | 'SQ_WAL_APPEND_FAILED'
  | 'SQ_WAL_APPEND_ALL_FAILED'
  | 'SQ_WAL_BACKLOG_FULL'
  | 'SQ_WAL_OFFSET_MISMATCH'
  | 'SQ_WAL_CLOSED'
  | 'SQ_WAL_LOCKED'
  | 'SQ_WAL_LOCK_LOST'
  | 'SQ_WAL_CORRUPT'
  | 'SQ_WAL_UNSUPPORTED'
  | 'SQ_WAL_NOT_FOUND'
  | 'SQ_WAL_OFFSET_OUT_OF_RANGE'
  | 'SQ_WAL_DIVERGED'
  | 'SQ_WAL_OPAQUE_BATCH'
  | 'SQ_WAL_PROBLEM_CHANGED'
  | 'SQ_WAL_CLOCK_SUSPECT'
  | 'SQ_WAL_INVARIANT'

/** Every error of the log that is not misuse. `cause` holds the underlying error, if there is one. */
export class WalError extends Error {
  readonly code: WalErrorCode

  constructor(code: WalErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
    this.code = code
  }
}

/**
 * Two facts inside the log contradict each other (`SQ_WAL_INVARIANT`): a bug, or faulty memory. The operation has
 * failed, and nothing of it is acknowledged. The message says what was expected. Please report it.
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

/** A file system operation failed (`SQ_WAL_IO`). `cause` is the file system's error, with the system's code. */
export class WalIoError extends WalError {
  readonly path: string

  constructor(attempt: string, path: string, cause: unknown) {
    super('SQ_WAL_IO', `cannot ${attempt} ${path}: ${messageOf(cause)}`, { cause })
    this.path = path
  }
}

/**
 * A commit was not made durable (`SQ_WAL_APPEND_FAILED`). None of its records is acknowledged, and none that was queued
 * behind it. The append can be retried immediately. `cause` is the file system's error.
 */
export class AppendFailedError extends WalError {
  /** The offset that the first record of the failed commit would have had. The next acknowledged record gets it. */
  readonly nextOffset: bigint

  constructor(nextOffset: bigint, cause: unknown) {
    const message = `the commit at offset ${nextOffset} is not durable and none of it is acknowledged`
    const root = cause instanceof WalIoError ? cause.cause : cause
    super('SQ_WAL_APPEND_FAILED', `${message}: ${messageOf(cause)}`, { cause: root })
    this.nextOffset = nextOffset
  }
}

/**
 * A source was not appended to its end (`SQ_WAL_APPEND_ALL_FAILED`). Its first `records` records are durable, and no
 * record after them. `cause` is what went wrong: an `AppendFailedError`, another error that `append` rejects with, or
 * what the source threw, or the reason of an aborted signal.
 */
export class AppendAllError extends WalError {
  /** The number of durable records, and the offset of the last one; null if there is none. */
  readonly records: number
  readonly lastOffset: bigint | null

  constructor(durable: { records: number; lastOffset: bigint | null }, cause: unknown) {
    const { records, lastOffset } = durable
    super(
      'SQ_WAL_APPEND_ALL_FAILED',
      `appendAll stopped after ${records} durable records of the source: ${messageOf(cause)}`,
      { cause },
    )
    this.records = records
    this.lastOffset = lastOffset
  }
}

/**
 * A backlog is full (`SQ_WAL_BACKLOG_FULL`): appends of `pendingBytes` wait to become durable, and this one, of
 * `neededBytes`, would exceed `maxPendingBytes`. `limit` says whose: that of this writer, or that of the `limits` that
 * it shares with others. Nothing of the append was written. Wait with `writer.ready({ bytes: error.neededBytes })`,
 * then append again.
 */
export class BacklogFullError extends WalError {
  readonly limit: 'writer' | 'shared'
  readonly pendingBytes: number
  readonly maxPendingBytes: number
  /** What the append counts for in `maxPendingBytes`. */
  readonly neededBytes: number

  constructor(state: Pick<BacklogFullError, 'limit' | 'pendingBytes' | 'maxPendingBytes' | 'neededBytes'>) {
    const { limit, pendingBytes, maxPendingBytes, neededBytes } = state
    const whose = limit === 'writer' ? 'the backlog' : 'the backlog of all writers with the same limits'
    super(
      'SQ_WAL_BACKLOG_FULL',
      `${whose} is full: ${pendingBytes} bytes wait to become durable, and maxPendingBytes is ${maxPendingBytes}; wait for room with writer.ready()`,
    )
    this.limit = limit
    this.pendingBytes = pendingBytes
    this.maxPendingBytes = maxPendingBytes
    this.neededBytes = neededBytes
  }
}

/**
 * Encoded batches do not continue the log (`SQ_WAL_OFFSET_MISMATCH`): one of them begins at `found`, and `expected` is
 * the offset that it must begin at, the log end offset or the end of the batch before it. Nothing of that call was
 * written. A replica continues with the batches from its own `nextOffset` on.
 */
export class OffsetMismatchError extends WalError {
  /** The directory of the log. */
  readonly path: string
  readonly expected: bigint
  readonly found: bigint

  constructor({ path, expected, found }: { path: string; expected: bigint; found: bigint }) {
    const mismatch = `a batch begins at offset ${found}, expected ${expected}`
    super(
      'SQ_WAL_OFFSET_MISMATCH',
      `the batches do not continue the log in ${path}: ${mismatch}; append the batches from offset ${expected} on`,
    )
    this.path = path
    this.expected = expected
    this.found = found
  }
}

/** The writer or reader is closed (`SQ_WAL_CLOSED`). */
export class ClosedError extends WalError {
  constructor(what: 'writer' | 'reader', path: string) {
    super('SQ_WAL_CLOSED', `the ${what} of ${path} is closed`)
  }
}

/** A different writer, in this or another process, has this partition open (`SQ_WAL_LOCKED`). */
export class LockedError extends WalError {
  readonly path: string

  constructor(path: string, cause: unknown) {
    super('SQ_WAL_LOCKED', `cannot open the log for writing: another writer holds the lock on ${path}`, { cause })
    this.path = path
  }
}

/**
 * The lock file of a writer, or a directory above it, was removed or replaced (`SQ_WAL_LOCK_LOST`). The writer no
 * longer changes anything in that directory. Records that were acknowledged since the removal may be lost with the
 * directory. If `WalWriter.open` rejects with this error, the lock file was replaced while it was being locked, and
 * nothing was changed.
 */
export class LockLostError extends WalError {
  readonly path: string

  constructor(path: string) {
    super(
      'SQ_WAL_LOCK_LOST',
      `the lock file ${path} was removed or replaced while its writer held it; what was written since may be lost`,
    )
    this.path = path
  }
}

/** A damaged range. `[from, to)` are byte positions in the file. */
export interface Damage {
  readonly path: string
  readonly from: number
  readonly to: number
  /**
   * The first and the last offset that may be lost. `lastOffset` is null if the end of the damage is unknown, and
   * `firstOffset - 1` if the damage holds no record.
   */
  readonly firstOffset: bigint
  readonly lastOffset: bigint | null
  /** What was expected there and what was found. */
  readonly reason: string
}

/** Durable bytes have changed or are missing (`SQ_WAL_CORRUPT`). Nothing was modified. */
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

/** An undamaged file or frame that this version cannot read (`SQ_WAL_UNSUPPORTED`). */
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

/**
 * The log does not hold this offset (`SQ_WAL_OFFSET_OUT_OF_RANGE`). It holds `firstOffset` up to, and not including,
 * `nextOffset`.
 */
export class OffsetOutOfRangeError extends WalError {
  readonly offset: bigint
  readonly firstOffset: bigint
  /**
   * If `offset` is before `firstOffset` and the writer is in another process, the log may continue after this offset.
   */
  readonly nextOffset: bigint

  constructor(state: { path: string; offset: bigint; firstOffset: bigint; nextOffset: bigint }) {
    const { path, offset, firstOffset, nextOffset } = state
    super(
      'SQ_WAL_OFFSET_OUT_OF_RANGE',
      `offset ${offset} is not in ${path}: the log begins at ${firstOffset} and ends before ${nextOffset}`,
    )
    this.offset = offset
    this.firstOffset = firstOffset
    this.nextOffset = nextOffset
  }
}

/**
 * An opaque batch has no records that the log could read or cut (`SQ_WAL_OPAQUE_BATCH`). `readBatches` returns it as a
 * whole. A log can be truncated, and a batch sliced, at its `baseOffset` and at its `nextOffset`.
 */
export class OpaqueBatchError extends WalError {
  /** The offset of its first record, and the offset after its last. */
  readonly baseOffset: bigint
  readonly nextOffset: bigint

  constructor(attempt: string, { baseOffset, nextOffset }: { baseOffset: bigint; nextOffset: bigint }) {
    const range = `the batch from offset ${baseOffset} up to ${nextOffset}`
    super(
      'SQ_WAL_OPAQUE_BATCH',
      `${attempt}: ${range} is opaque, and only its producer can read its records; take it as a whole, with readBatches`,
    )
    this.baseOffset = baseOffset
    this.nextOffset = nextOffset
  }
}

/**
 * Records that a reader has returned are no longer in the log (`SQ_WAL_DIVERGED`). The log was truncated or, for a
 * reader in another process than the writer, their commit failed after the reader had seen its bytes. In the writer's
 * thread, exactly the records from `offset` on are gone. If the reader had already read more records of the same
 * commit, up to 256, it returns them before this error: they were in the log when they were read.
 *
 * A reader in another process knows only what it finds in the files, for example a last segment that is shorter than
 * what it has read. Then:
 *
 * - All records before `offset` are in the log, unchanged. Some records after it may be too, if many commits of one
 *   segment are gone.
 * - If the reader looks while a truncation is half done, `offset` may be later than the offset that the log finally
 *   ends at.
 * - If the truncation cuts a commit in two, `offset` is the first offset of that commit, although its records before
 *   the cut are still in the log.
 * - If the segment that was cut has been deleted in the meantime, there is nothing left to compare with, and the reader
 *   gets `SQ_WAL_OFFSET_OUT_OF_RANGE` instead.
 *
 * A program that must hold exactly what the log holds reads again from an offset that it is sure of.
 */
export class DivergedError extends WalError {
  readonly offset: bigint

  constructor(state: { path: string; offset: bigint }) {
    super(
      'SQ_WAL_DIVERGED',
      `${state.path}: records from offset ${state.offset} on were read but are no longer in the log`,
    )
    this.offset = state.offset
  }
}

/**
 * The problem is no longer as it was reported, or the repair would now cost something else (`SQ_WAL_PROBLEM_CHANGED`).
 * Nothing was changed. Verify again and choose from the new report.
 */
export class ProblemChangedError extends WalError {
  /** The path in the reported problem. */
  readonly path: string

  constructor(problem: { path: string; kind: string; repair: string }) {
    const { path, kind, repair } = problem
    super(
      'SQ_WAL_PROBLEM_CHANGED',
      `cannot do the repair ${repair}: the ${kind} problem of ${path} is no longer as reported; verify the log again`,
    )
    this.path = path
  }
}

/**
 * Deletion by age was refused because the wall clock contradicts the log (`SQ_WAL_CLOCK_SUSPECT`). Nothing was deleted.
 * Set the clock or, if the clock is right, delete with `trustClock`. Limits other than `maxAgeMs` need no clock.
 */
export class ClockSuspectError extends WalError {
  /** The directory of the log. */
  readonly path: string
  /** The time of the wall clock, in milliseconds since 1970. */
  readonly nowMs: number
  /** The time that the clock contradicts, from the log or from the monotonic clock. */
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

/** The system's code of a file system error, for example `ENOENT`. */
export function systemCode(error: unknown): string | undefined {
  const code = fieldOf(error, 'code')
  return isError(error) && typeof code === 'string' ? code : undefined
}

/**
 * Whether a value is an error, judged by its fields. `instanceof Error` is false for Node's own errors in another
 * realm, as in Jest and in vitest's pools of VMs.
 */
export function isError(error: unknown): error is { message: string } {
  return typeof fieldOf(error, 'message') === 'string'
}

/**
 * A field of a thrown value. Undefined if the value is not an object or if the field cannot be read: anything can be
 * thrown, and the caller must still get an error.
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

/** Converts a thrown value to an error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(messageOf(thrown), { cause: thrown })
}

/** A time in ISO 8601, or as a number if it is outside the range of dates. */
function showTime(ms: number): string {
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? `${ms} ms after 1970` : date.toISOString()
}

/** The message of a thrown value. Never throws, since its result becomes part of an error that a caller waits for. */
function messageOf(cause: unknown): string {
  try {
    return isError(cause) ? cause.message : String(cause)
  } catch {
    return 'a value was thrown that cannot be converted to text'
  }
}
