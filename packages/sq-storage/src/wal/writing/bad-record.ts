/** What is wrong with a record that was to be appended: found where a part is looked at, told with the record's place. */

/**
 * What is wrong with a record that was to be appended: a `TypeError` or `RangeError` with these fields. Nothing of the
 * call was appended; of a source, what came before the record may be.
 */
export interface BadRecordError extends Error {
  readonly code: 'SQ_WAL_BAD_RECORD'
  /**
   * The place of the record in its batch or source, from 0; 0 for a record that was given alone; null where it is about
   * a batch as a whole.
   */
  readonly index: number | null
  /** Such as `value` or `headers[1].name`; null where it is about the record, or the batch, as a whole. */
  readonly field: string | null
}

/** What the records of a call are part of, and the place of the first of them; `of` is null for one given alone. */
export interface RecordOrigin {
  readonly of: 'batch' | 'source' | null
  readonly firstIndex: number
}

/** What is wrong with a part of one of some records. To be given to the caller by `placed`. */
export class BadPart extends Error {
  readonly kind: typeof TypeError | typeof RangeError
  readonly field: string | null
  /** Which of the records, from 0; null for all of them. */
  nth: number | null = 0

  /** A field that is not what it `must` be; null for what is wrong with the record itself. */
  constructor(kind: typeof TypeError | typeof RangeError, field: string | null, what: string) {
    super(field === null ? what : `${field} ${what}`)
    this.kind = kind
    this.field = field
  }

  /** The same of the nth record, or of all. */
  of(nth: number | null): this {
    this.nth = nth
    return this
  }
}

/** The error that a caller is given: of a bad part, one that says which record of those it is. */
export function placed(error: unknown, { of, firstIndex }: RecordOrigin): unknown {
  if (!(error instanceof BadPart)) return error
  const { kind, nth, message, field } = error
  const index = nth === null ? null : firstIndex + nth
  const where = index === null || of === null ? '' : `record ${index} of the ${of}: `
  const fields: Pick<BadRecordError, 'code' | 'index' | 'field'> = { code: 'SQ_WAL_BAD_RECORD', index, field }
  return Object.assign(new kind(`${where}${message}`), fields)
}
