/** Finds the last records of a log that pass a filter. */
import type { ReadOptions, WalReader } from '@sq/storage'
import { readableRecords } from './readable-records.ts'
import type { RecordFilter } from './record-filter.ts'

/** The number of records that are read first, at the end of the log. Each step back reads twice as many. */
const FIRST_STEP = 1024n

interface Search extends Pick<ReadOptions, 'durableOnly' | 'signal'> {
  readonly count: number
  /** The log start offset. */
  readonly first: bigint
  /** The log end offset. */
  readonly next: bigint
}

/**
 * The offset of the first of the last `count` records that pass the filter; of the first that passes if there are
 * fewer; the log end offset if there is none. Reads every record at most once, from the end of the log backwards, and
 * none if there is no filter.
 */
export async function lastSelected(
  reader: WalReader,
  filter: RecordFilter,
  { count, first, next, ...read }: Search,
): Promise<bigint> {
  if (!filter.isActive) return next - BigInt(count) > first ? next - BigInt(count) : first
  let wanted = count
  let earliest = next
  for (let [to, step] = [next, FIRST_STEP]; to > first && wanted > 0; step *= 2n) {
    const from = to - step > first ? to - step : first
    const found: bigint[] = []
    for await (const record of readableRecords(reader, { ...read, from, to }, () => {})) {
      if (filter.selects(record)) found.push(record.offset)
    }
    earliest = found.at(-wanted) ?? found[0] ?? earliest
    wanted -= Math.min(found.length, wanted)
    to = from
  }
  return earliest
}
