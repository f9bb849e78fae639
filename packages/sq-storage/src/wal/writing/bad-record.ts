/**
 * Errors about records that cannot be appended. They are found where a part is checked, and reported with the place of
 * the record.
 */

/**
 * A record, or a batch with its metadata, that cannot be appended: a `TypeError` or `RangeError` with these fields.
 * Nothing of the call was appended; of a source, the records before this one may be.
 */
export interface BadRecordError extends Error {
  readonly code: 'SQ_WAL_BAD_RECORD'
  /**
   * The index of the record in its batch or source, from 0; 0 for a single record; null if the error is about the batch
   * as a whole.
   */
  readonly index: number | null
  /** The field, for example `value` or `headers[1].key`; null if the error is about the whole record or batch. */
  readonly field: string | null
}

/** What the records of a call belong to, and the index of the first of them. `of` is null for a single record. */
export interface RecordOrigin {
  readonly of: 'batch' | 'source' | null
  readonly firstIndex: number
}

/** A part of a record that is wrong. `placed` turns it into the error for the caller. */
export class BadPart extends Error {
  readonly kind: typeof TypeError | typeof RangeError
  readonly field: string | null
  /** The index of the record among those of the call, from 0; null for all of them. */
  nth: number | null = 0

  /**
   * `what` continues the name of the field, as in "must be a string". `field` is null if the record itself is wrong.
   * `shown` is the field in the message.
   */
  constructor(
    kind: typeof TypeError | typeof RangeError,
    field: string | null,
    what: string,
    shown: string | null = field,
  ) {
    super(shown === null ? what : `${shown} ${what}`)
    this.kind = kind
    this.field = field
  }

  /** The same error for the nth record, or for all. */
  of(nth: number | null): this {
    this.nth = nth
    return this
  }
}

/** The error for the caller. A bad part becomes an error that says which record it is. */
export function placed(error: unknown, { of, firstIndex }: RecordOrigin): unknown {
  if (!(error instanceof BadPart)) return error
  const { kind, nth, message, field } = error
  const index = nth === null ? null : firstIndex + nth
  const where = index === null || of === null ? '' : `record ${index} of the ${of}: `
  const fields: Pick<BadRecordError, 'code' | 'index' | 'field'> = { code: 'SQ_WAL_BAD_RECORD', index, field }
  return Object.assign(new kind(`${where}${message}`), fields)
}
