/** Default limits of the log. */

/** The default of `maxRecordBytes`. */
export const MAX_RECORD_BYTES: number = 16 * 1024 * 1024
