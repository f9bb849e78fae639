/**
 * The body of a RECORDS frame. The attributes of the frame state whether metadata of the caller is before the
 * batch, and whether the batch is records (`record.ts`) or opaque: a payload that the log does not interpret, with its
 * times.
 *
 * ```
 *  METADATA:   | metadataLength u32 | metadata |                        then
 *  OPAQUE:     | minTimestampMs u64 | maxTimestampMs u64 | payload |    to the end of the body
 *  otherwise:  records
 * ```
 */
import { Attribute } from './frame.ts'
import { readUint64, writeUint64 } from './integers.ts'
import { holdsRecords, readTimestamps, sliceRecords } from './record.ts'
import type { RecordsHeader } from './record.ts'

/** The most metadata that a batch can have. */
export const MAX_METADATA_BYTES = 65_536
const METADATA_LENGTH_BYTES = 4
const TIMES_AT = { minTimestampMs: 0, maxTimestampMs: 8 } as const
const TIMES_BYTES = 16

/** The smallest and the largest timestamp of a batch, in milliseconds since 1970. */
export interface TimeRange {
  readonly minTimestampMs: number
  readonly maxTimestampMs: number
}

/** What a body holds. The bytes are views on it. */
export type BatchContent =
  | { readonly metadata: Buffer | null; readonly records: Buffer; readonly opaque: null }
  | { readonly metadata: Buffer | null; readonly records: null; readonly opaque: OpaqueContent }

/** An opaque batch: its times, in milliseconds since 1970, as its producer stated them, and its payload. */
export interface OpaqueContent extends TimeRange {
  readonly payload: Buffer
}

/** The parts of a frame's header that say how to read its body. */
type BodyHeader = Pick<RecordsHeader, 'recordCount' | 'attributes'>

/** Bytes before the records or the payload. */
export function leadBytes(batch: { readonly metadata: Uint8Array | null; readonly isOpaque: boolean }): number {
  const metadataBytes = batch.metadata === null ? 0 : METADATA_LENGTH_BYTES + batch.metadata.length
  return metadataBytes + (batch.isOpaque ? TIMES_BYTES : 0)
}

/** Writes the bytes before the records or the payload, and returns the index after them. */
export function encodeLead(
  { metadata, times }: { readonly metadata: Uint8Array | null; readonly times: TimeRange | null },
  target: Buffer,
  at: number,
): number {
  let end = at
  if (metadata !== null) {
    target.writeUInt32LE(metadata.length, end)
    target.set(metadata, end + METADATA_LENGTH_BYTES)
    end += METADATA_LENGTH_BYTES + metadata.length
  }
  if (times === null) return end
  writeUint64(target, times.minTimestampMs, end + TIMES_AT.minTimestampMs)
  writeUint64(target, times.maxTimestampMs, end + TIMES_AT.maxTimestampMs)
  return end + TIMES_BYTES
}

/**
 * What the body of a frame with these attributes holds. Null if the body does not have the parts that the attributes
 * name. The records are not checked; the cost does not depend on the length of the body.
 */
export function contentOf(body: Buffer, attributes: number): BatchContent | null {
  if (attributes === 0) return { metadata: null, records: body, opaque: null }
  let metadata: Buffer | null = null
  let at = 0
  if ((attributes & Attribute.METADATA) !== 0) {
    if (body.length < METADATA_LENGTH_BYTES) return null
    const length = body.readUInt32LE(0)
    at = METADATA_LENGTH_BYTES + length
    if (length === 0 || length > MAX_METADATA_BYTES || at > body.length) return null
    metadata = body.subarray(METADATA_LENGTH_BYTES, at)
  }
  if ((attributes & Attribute.OPAQUE) === 0) return { metadata, records: body.subarray(at), opaque: null }
  if (at + TIMES_BYTES > body.length) return null
  const minTimestampMs = readUint64(body, at + TIMES_AT.minTimestampMs)
  const maxTimestampMs = readUint64(body, at + TIMES_AT.maxTimestampMs)
  if (minTimestampMs > maxTimestampMs || !Number.isSafeInteger(maxTimestampMs)) return null
  return {
    metadata,
    records: null,
    opaque: { minTimestampMs, maxTimestampMs, payload: body.subarray(at + TIMES_BYTES) },
  }
}

/** Whether a body whose checksum verified is one that a log writes: every check that can be made of it. */
export function holdsBatch(body: Buffer, header: BodyHeader): boolean {
  const content = contentOf(body, header.attributes)
  return content !== null && (content.records === null || holdsRecords(content.records, header))
}

/**
 * The smallest and the largest timestamp in a body. Null if it does not hold the batch that the header states; the rest
 * of each record is not checked.
 */
export function timesOf(body: Buffer, header: BodyHeader): TimeRange | null {
  return timesBy(body, header, (records, found) => readTimestamps(records, header.recordCount, found))
}

/** The same in one pass with every check of `holdsBatch`: null if one fails. */
export function checkedTimes(body: Buffer, header: BodyHeader): TimeRange | null {
  return timesBy(body, header, (records, found) => holdsRecords(records, header, found))
}

/** `walk` calls back with each timestamp, and returns false if the records are not what the header states. */
function timesBy(
  body: Buffer,
  { attributes }: BodyHeader,
  walk: (records: Buffer, found: (timestampMs: number) => void) => boolean,
): TimeRange | null {
  const content = contentOf(body, attributes)
  if (content === null) return null
  if (content.records === null) return content.opaque
  let minTimestampMs = Number.MAX_SAFE_INTEGER
  let maxTimestampMs = 0
  const isWhole = walk(content.records, (timestampMs) => {
    minTimestampMs = Math.min(minTimestampMs, timestampMs)
    maxTimestampMs = Math.max(maxTimestampMs, timestampMs)
  })
  return isWhole ? { minTimestampMs, maxTimestampMs } : null
}

/**
 * The index of the first record with this timestamp or a later one; 0 for an opaque batch that reaches this time, the
 * number of records if none has it. Null as `timesOf`.
 */
export function firstSince(body: Buffer, { recordCount, attributes }: BodyHeader, sinceMs: number): number | null {
  const content = contentOf(body, attributes)
  if (content === null) return null
  if (content.opaque !== null) return content.opaque.maxTimestampMs >= sinceMs ? 0 : recordCount
  let first = recordCount
  let index = 0
  const isWhole = readTimestamps(content.records, recordCount, (timestampMs) => {
    if (timestampMs >= sinceMs && first === recordCount) first = index
    index++
  })
  return isWhole ? first : null
}

/**
 * The body of a batch that holds only the records with indexes in `[from, to)`, with the same metadata. Null if the
 * body does not hold them: its lengths do not lead there, or it is opaque.
 */
export function sliceBody(body: Buffer, attributes: number, { from, to }: { from: number; to: number }): Buffer | null {
  const content = contentOf(body, attributes)
  if (content === null || content.records === null) return null
  const part = sliceRecords(content.records, from, to)
  if (part === null || content.metadata === null) return part
  const lead = body.subarray(0, leadBytes({ metadata: content.metadata, isOpaque: false }))
  return Buffer.concat([lead, part])
}
