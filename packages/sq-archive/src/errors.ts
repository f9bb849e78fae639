/** Errors of an archive: one base class with a stable `code`, and a class for each case that has fields of its own. */

/** The codes are part of the interface. The messages are for people and may change. */
export type ArchiveErrorCode = 'SQ_ARCHIVE_DAMAGED'

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
