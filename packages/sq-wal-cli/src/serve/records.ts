/** Reads records for the page: a bounded number at a time, and of large ones only the beginning. */
import { isUtf8 } from 'node:buffer'
import { CorruptLogError } from '@sq/storage'
import type { LogRecord, WalReader } from '@sq/storage'
import { readableRecords } from '../run/readable-records.ts'
import type { BytesData, RecordData, RecordsData } from './live-data.ts'

/** How many records a filter looks at before it answers; the page then asks for more. */
const MAX_EXAMINED = 50_000
/** What is shown of a key or value in a list. */
const MAX_LISTED_BYTES = 2048
/** What is shown of a single one. */
const MAX_SHOWN_BYTES = 1_000_000
/** A larger value is not searched. */
const MAX_SEARCHED_BYTES = 16_000_000

export interface Question {
  /** An offset, or a time in milliseconds since 1970. Neither: the beginning of the log. */
  readonly from: bigint | null
  readonly fromTimestampMs: number | null
  readonly count: number
  readonly key: string | null
  /** A text that the value contains. */
  readonly contains: string | null
  /** How long to wait for the offset `from`, in milliseconds. */
  readonly maxWaitMs: number
  readonly isWhole: boolean
  readonly signal: AbortSignal
}

export async function readRecords(reader: WalReader, question: Question): Promise<RecordsData> {
  const { from, fromTimestampMs, count, maxWaitMs, signal } = question
  if (from !== null && maxWaitMs > 0) await reader.waitFor(from, { maxWaitMs, signal })
  const bounds = await boundsOf(reader)
  const found: RecordData[] = []
  const opaque: { from: number; to: number }[] = []
  const limit = question.isWhole ? MAX_SHOWN_BYTES : MAX_LISTED_BYTES
  const start = clamped(from ?? bounds.start, bounds)
  const range = { to: bounds.end, signal, ...(fromTimestampMs === null ? { from: start } : { fromTimestampMs }) }
  let examined = 0
  let nextOffset = fromTimestampMs === null ? start : bounds.end
  const records = readableRecords(reader, range, (batch) => {
    opaque.push({ from: Number(batch.baseOffset), to: Number(batch.nextOffset) })
    nextOffset = batch.nextOffset
  })
  let { problem } = bounds
  try {
    for await (const record of records) {
      examined++
      nextOffset = record.offset + 1n
      if (matches(record, question)) found.push(dataOf(record, limit))
      if (found.length >= count || examined >= MAX_EXAMINED) break
    }
  } catch (error) {
    if (!(error instanceof CorruptLogError)) throw error
    problem = error.message
  }
  const offsets = { startOffset: Number(bounds.start), endOffset: Number(bounds.end) }
  return { records: found, nextOffset: Number(nextOffset), examined, ...offsets, problem, opaque }
}

interface Bounds {
  readonly start: bigint
  readonly end: bigint
  readonly problem: string | null
}

/** Where a log begins and ends. If its last segment is damaged, it ends for the page before the damage. */
async function boundsOf(reader: WalReader): Promise<Bounds> {
  try {
    const { logStartOffset, logEndOffset } = await reader.bounds()
    return { start: logStartOffset, end: logEndOffset, problem: null }
  } catch (error) {
    if (!(error instanceof CorruptLogError)) throw error
    for await (const { baseOffset } of reader.readBatches({ maxRecords: 1 })) {
      if (baseOffset < error.firstOffset) return { start: baseOffset, end: error.firstOffset, problem: error.message }
    }
    throw error
  }
}

function matches({ key, value }: LogRecord, question: Question): boolean {
  if (question.key !== null && (key === null || !Buffer.from(question.key).equals(key))) return false
  if (question.contains === null) return true
  return value !== null && value.length <= MAX_SEARCHED_BYTES && bufferOf(value).includes(question.contains)
}

function dataOf({ offset, timestampMs, key, value, headers }: LogRecord, limit: number): RecordData {
  return {
    offset: Number(offset),
    timestampMs,
    key: key && bytesData(key, limit),
    value: value && bytesData(value, limit),
    headers: headers.map((header) => ({ key: header.key, value: bytesData(header.value, limit) })),
  }
}

function bytesData(bytes: Uint8Array, limit: number): BytesData {
  const size = bytes.length
  const shown = bufferOf(bytes.subarray(0, endWithin(bytes, limit)))
  return isUtf8(shown) ? { text: shown.toString('utf8'), size } : { base64: shown.toString('base64'), size }
}

/** Up to `limit` bytes, without the beginning of a character at their end. */
function endWithin(bytes: Uint8Array, limit: number): number {
  if (bytes.length <= limit) return bytes.length
  for (let end = limit; end > limit - 4; end--) if (((bytes[end] ?? 0) & 0xc0) !== 0x80) return end
  return limit
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

function clamped(offset: bigint, { start, end }: Bounds): bigint {
  return offset < start ? start : offset > end ? end : offset
}
