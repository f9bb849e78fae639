/**
 * Tells where a place given as a time is not what it seems. A time stands for a position, that of the first record of
 * that time or a later one; but timestamps are the producers' and may be out of order.
 */
import { NodeFileSystem } from '@sq/sim'
import { listSegments } from '@sq/storage'
import type { LogRecord, WalReader } from '@sq/storage'
import type { LogName } from '../log-name.ts'
import { counted, formatTime } from '../output.ts'

/** So many are enough to know. */
const MAX_COUNTED = 1000

/** Counts records that are read behind the place of a time, and are of an earlier one. */
export class EarlierRecords {
  readonly #fromMs: number
  #count = 0

  constructor({ timestampMs }: { readonly timestampMs: number }) {
    this.#fromMs = timestampMs
  }

  saw({ timestampMs }: LogRecord): void {
    if (timestampMs < this.#fromMs) this.#count++
  }

  /** Null where there was none. */
  describe(): string | null {
    if (this.#count === 0) return null
    const what = `of those read, ${counted(this.#count, 'record')} ${this.#count === 1 ? 'is' : 'are'} of an earlier time`
    return `timestamps are out of order: --from ${formatTime(this.#fromMs)} is taken for a position, and ${what}`
  }
}

/** A time that ends a range or begins one, and the offset it was taken for. */
export interface TimePlace {
  readonly option: '--from' | '--to'
  readonly timestampMs: number
  readonly offset: bigint
}

/**
 * What to know of records behind a place that are of an earlier time than it, though not of one before `sinceMs`; null
 * where there are none. Reads the rest of the segment that the place is in, and only lists the others.
 */
export async function describeEarlierBehind(
  reader: WalReader,
  log: LogName,
  { option, timestampMs, offset, sinceMs = 0 }: TimePlace & { readonly sinceMs?: number },
): Promise<string | null> {
  const isEarlier = (ms: number): boolean => ms < timestampMs && ms >= sinceMs
  const segments = await listSegments(new NodeFileSystem(), log.config, log.topic, log.partition)
  const behind = segments.filter(({ nextOffset }) => nextOffset > offset)
  const to = behind[0]?.nextOffset ?? offset
  let count = 0
  if (to > offset) {
    for await (const record of reader.read({ from: offset, to })) {
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
  const place = `${option} ${formatTime(timestampMs)} is taken for the position of offset ${offset}`
  return `timestamps are out of order: ${place}, and ${amount} from there on ${least === 1 ? 'is' : 'are'} of an earlier time`
}
