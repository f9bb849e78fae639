/**
 * Warns when a place given as a time is ambiguous. A time selects the position of the first record with that timestamp
 * or a later one, but timestamps come from the producers and can be out of order.
 */
import { listSegments } from '@sq/storage'
import type { LogRecord, WalReader } from '@sq/storage'
import type { LocatedLog } from '../log-source.ts'
import { counted, formatTime } from '../output.ts'
import { readableRecords } from './readable-records.ts'

/** Counting stops here; the message then says "at least". */
const MAX_COUNTED = 1000

/** Counts records that are read after the position of a time but have an earlier timestamp. */
export class EarlierRecords {
  readonly #fromMs: number
  #count = 0

  constructor({ timestampMs }: { readonly timestampMs: number }) {
    this.#fromMs = timestampMs
  }

  saw({ timestampMs }: LogRecord): void {
    if (timestampMs < this.#fromMs) this.#count++
  }

  /** Null if there was none. */
  describe(): string | null {
    if (this.#count === 0) return null
    const what = `${counted(this.#count, 'record')} of this output ${this.#count === 1 ? 'has an earlier timestamp' : 'have earlier timestamps'}`
    return `timestamps are out of order: --from ${formatTime(this.#fromMs)} selects a position, and ${what}; --since leaves them out`
  }
}

/** A time that starts or ends a range, and the offset that it selects. */
export interface TimePlace {
  readonly option: '--from' | '--to'
  readonly timestampMs: number
  readonly offset: bigint
}

/**
 * A notice about records after a place whose timestamps are earlier than its time, but not before `sinceMs`. Null if
 * there are none. Reads the rest of the segment of the place; the later segments are only listed.
 */
export async function describeEarlierBehind(
  reader: WalReader,
  log: LocatedLog,
  { option, timestampMs, offset, sinceMs = 0 }: TimePlace & { readonly sinceMs?: number },
): Promise<string | null> {
  const isEarlier = (ms: number): boolean => ms < timestampMs && ms >= sinceMs
  const segments = await listSegments(log.fs, log.config, log.topic, log.partition)
  const behind = segments.filter(({ nextOffset }) => nextOffset > offset)
  const to = behind[0]?.nextOffset ?? offset
  let count = 0
  if (to > offset) {
    for await (const record of readableRecords(reader, { from: offset, to }, () => {})) {
      if (isEarlier(record.timestampMs) && ++count === MAX_COUNTED) break
    }
  }
  const isMore =
    count === MAX_COUNTED ||
    behind.slice(1).some(({ minTimestampMs, maxTimestampMs }) => {
      return (minTimestampMs ?? Infinity) < timestampMs && (maxTimestampMs ?? -Infinity) >= sinceMs
    })
  if (count === 0 && !isMore) return null
  const least = Math.max(count, 1)
  const amount = `${isMore ? 'at least ' : ''}${counted(least, 'record')}`
  const place = `${option} ${formatTime(timestampMs)} selects the position of offset ${offset}`
  return `timestamps are out of order: ${place}, and ${amount} from there on ${least === 1 ? 'has an earlier timestamp' : 'have earlier timestamps'}${option === '--to' ? '; --until includes them' : ''}`
}
