/** What a page shows of a log, as JSON: a report holds it, and a live page asks for it. */
import type { Histograms } from '../overview/log-overview.ts'
import type { KeyReport } from '../overview/key-counts.ts'
import type { Pause } from '../overview/pauses.ts'

/**
 * A cell of the overview as numbers, to be short: bytes, commits, records, damaged bytes, ignored bytes, first and last
 * offset, smallest and largest timestamp.
 */
export type CellData = readonly [
  number,
  number,
  number,
  number,
  number,
  number | null,
  number | null,
  number | null,
  number | null,
]

/** Start in milliseconds since 1970, records, bytes. */
type BucketData = readonly [number, number, number]

export interface SegmentData {
  readonly file: string
  readonly state: string
  readonly records: number
  readonly bytes: number
  readonly firstOffset: number
  readonly minTimestampMs: number | null
  readonly maxTimestampMs: number | null
}

export interface ProblemData {
  readonly kind: string
  readonly file: string
  readonly from: number
  readonly to: number
  readonly firstOffset: number
  readonly lastOffset: number | null
  readonly reason: string
}

/** A list that is cut: the items that are shown, and how many there are. */
export interface Cut<T> {
  readonly shown: readonly T[]
  readonly total: number
}

/** A log that was read from its first byte to its last. */
export interface LogData {
  /** `TOPIC/PARTITION`. */
  readonly name: string
  readonly records: number
  readonly bytes: number
  readonly firstOffset: number
  readonly nextOffset: number
  readonly minTimestampMs: number | null
  readonly maxTimestampMs: number | null
  readonly cells: readonly CellData[]
  readonly bucketMs: number
  readonly buckets: readonly BucketData[]
  readonly pauses: readonly Pause[]
  readonly outOfOrder: number
  readonly histograms: Histograms
  readonly keys: KeyReport
  readonly segments: Cut<SegmentData>
  readonly problems: Cut<ProblemData>
  readonly notes: Cut<string>
  /** The size that retention keeps, if the user has given it. */
  readonly limitBytes: number | null
}

/** A log that could not be read. */
export interface UnreadableData {
  readonly name: string
  readonly error: string
}

export interface ReportData {
  readonly version: string
  readonly madeMs: number
  /** The directory or the archive. */
  readonly place: string
  readonly logs: readonly (LogData | UnreadableData)[]
}
