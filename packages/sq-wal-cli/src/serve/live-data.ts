/** What the live page asks for, as JSON. */

/** Bytes as text, or as base64 if they are not UTF-8. `size` counts all bytes; more may be left out. */
export interface BytesData {
  readonly text?: string
  readonly base64?: string
  readonly size: number
}

export interface RecordData {
  readonly offset: number
  readonly timestampMs: number
  readonly key: BytesData | null
  readonly value: BytesData | null
  readonly headers: readonly { readonly key: string; readonly value: BytesData }[]
}

export interface RecordsData {
  readonly records: readonly RecordData[]
  /** Where to go on reading. */
  readonly nextOffset: number
  /** Records that were read, also those that do not match. */
  readonly examined: number
  readonly startOffset: number
  readonly endOffset: number
  /** Why no more can be read after these records, such as damage; null if more can. */
  readonly problem: string | null
  /** Offsets that only their producer can read. */
  readonly opaque: readonly { readonly from: number; readonly to: number }[]
}

/** A log in the list. */
export interface LogLineData {
  readonly name: string
  readonly segments: number
  readonly records: number
  readonly bytes: number
  readonly startOffset: number
  readonly endOffset: number
  readonly minTimestampMs: number | null
  readonly maxTimestampMs: number | null
  readonly holder: 'free' | 'unknown' | 'held'
  readonly holderPid: number | null
  /** The last time that this server verified the log; null if it did not. */
  readonly verified: { readonly atMs: number; readonly problems: number; readonly torn: number } | null
}

export interface LogsData {
  readonly place: string
  readonly atMs: number
  readonly freeBytes: number | null
  readonly totalBytes: number | null
  readonly logs: readonly (LogLineData | { readonly name: string; readonly error: string })[]
}
