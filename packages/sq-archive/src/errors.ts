/** Errors of an archive: one base class with a stable `code`, and a class for each case that has fields of its own. */

/** The codes are part of the interface. The messages are for people and may change. */
export type ArchiveErrorCode =
  | 'SQ_ARCHIVE_DAMAGED'
  | 'SQ_ARCHIVE_FENCED'
  | 'SQ_ARCHIVE_MISMATCH'
  | 'SQ_ARCHIVE_INCOMPLETE'
  | 'SQ_ARCHIVE_CLOSED'

/** An archive cannot be used as asked. `cause` holds the underlying error, if there is one. */
export class ArchiveError extends Error {
  readonly code: ArchiveErrorCode

  constructor(code: ArchiveErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
    this.code = code
  }
}

/**
 * An object with the name of a segment is not a whole segment of its log (`SQ_ARCHIVE_DAMAGED`). Nothing was changed.
 */
export class ArchiveDamagedError extends ArchiveError {
  readonly key: string

  constructor(key: string, reason: string, cause?: unknown) {
    const advice = 'restore the object, or remove it if it does not belong there'
    super('SQ_ARCHIVE_DAMAGED', `the object ${JSON.stringify(key)} is not a whole segment: ${reason}; ${advice}`, {
      cause,
    })
    this.key = key
  }
}

/**
 * Another writer archives to the same place (`SQ_ARCHIVE_FENCED`), and owns the log now. Nothing was deleted locally.
 * Close the writer: what it acknowledges from now on will not be archived.
 */
export class FencedError extends ArchiveError {
  /** The object that this writer wanted to be its own. */
  readonly key: string

  constructor(key: string, reason: string) {
    const advice = 'close this writer, and continue from the archive'
    super('SQ_ARCHIVE_FENCED', `another writer has archived ${JSON.stringify(key)}: ${reason}; ${advice}`)
    this.key = key
  }
}

/**
 * A log does not continue its archive (`SQ_ARCHIVE_MISMATCH`): it was truncated below what is archived, deleted and
 * created again, restored from an old copy, or has lost segments. Nothing was archived or deleted.
 */
export class LogMismatchError extends ArchiveError {
  /** Where the archive ends: the offset after the last archived record. */
  readonly archiveEndOffset: bigint
  /** The local log: its first offset, and the offset after its last record. */
  readonly logStartOffset: bigint
  readonly logEndOffset: bigint

  constructor(
    log: string,
    reason: string,
    offsets: { archiveEndOffset: bigint; logStartOffset: bigint; logEndOffset: bigint },
  ) {
    const { archiveEndOffset, logStartOffset, logEndOffset } = offsets
    const found = `the archive ends at offset ${archiveEndOffset}, the log has offsets ${logStartOffset} to ${logEndOffset}`
    const advice = 'begin the log at the end of the archive, or archive this one below another prefix'
    super('SQ_ARCHIVE_MISMATCH', `the log ${log} does not continue its archive: ${found}; ${reason}; ${advice}`)
    this.archiveEndOffset = archiveEndOffset
    this.logStartOffset = logStartOffset
    this.logEndOffset = logEndOffset
  }
}

/** A call to an archiver after it was closed, or that was waiting then (`SQ_ARCHIVE_CLOSED`). */
export class ArchiverClosedError extends ArchiveError {
  constructor(log: string) {
    super('SQ_ARCHIVE_CLOSED', `the archiver of the log ${log} is closed`)
  }
}
