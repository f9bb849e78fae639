/**
 * Distinct records made from serial numbers, which are recognized when they are read. So the contents of a log are
 * checked byte for byte, but stored as a list of numbers.
 */
import { isDeepStrictEqual } from 'node:util'
import { Random } from '@sq/sim'
import type { LogRecord } from '@sq/storage'
import { Violation } from '../history.ts'

const LARGE_BYTES = 300_000
/** A prime, so that a shift by whole sectors or pages is noticed. */
const PERIOD_BYTES = 65_521
/** Random bytes, repeated; every value is a slice of them. */
const pool = Buffer.alloc(PERIOD_BYTES + LARGE_BYTES, new Random(1).bytes(PERIOD_BYTES))

/** Large records come in runs, so that some commits have megabytes and a kill can hit while they are written. */
const RUN_RECORDS = 32
const LARGE_RUNS = 0.03

/** Many small records, some of up to 5,000 bytes, and a few that take long to write. */
function drawLength(serial: number, random: Random): number {
  const run = new Random(Math.floor(serial / RUN_RECORDS))
  if (run.chance(LARGE_RUNS)) return LARGE_BYTES
  return random.int(random.chance(0.3) ? 5001 : 200)
}

/** The record of a serial number below 2^53. Its value is a view: do not change it. */
export function makeRecord(serial: number): Omit<LogRecord, 'offset'> & { readonly value: Uint8Array } {
  const random = new Random(serial)
  const key = Buffer.alloc(8)
  key.writeBigUInt64BE(BigInt(serial))
  const length = drawLength(serial, random)
  const from = random.int(PERIOD_BYTES)
  const headers = random.chance(0.1) ? [{ key: `header ${serial}`, value: key }] : []
  return { key, value: pool.subarray(from, from + length), headers, timestampMs: random.uint32() }
}

/** The serial number of a record. Throws a `Violation` unless it is that record, byte for byte. */
export function serialOf(record: LogRecord): number {
  const { offset, key, value, headers, timestampMs } = record
  if (key?.length !== 8) throw new Violation(`2: the record at offset ${offset} has a key that was never appended`)
  const serial = Number(Buffer.from(key).readBigUInt64BE())
  const made = makeRecord(serial)
  const same =
    value !== null &&
    Buffer.compare(made.value, value) === 0 &&
    made.timestampMs === timestampMs &&
    isDeepStrictEqual(
      made.headers,
      headers.map((header) => ({ key: header.key, value: Buffer.from(header.value) })),
    )
  if (!same)
    throw new Violation(
      `1: the record at offset ${offset}, serial number ${serial}, differs from the one that was appended`,
    )
  return serial
}
