/** Reads a part of a log, by offset or by time, and holds it against readings of all of it, before and after. */
import type { Random } from '@sq/sim'
import type { LogRecord, ReadOptions, WalReader } from '@sq/storage'
import { Violation } from './history.ts'

/** Timestamps lie from 1 to this, in no order. */
export const MAX_TIMESTAMP_MS = 50

/** A part of a log, as it is asked for and as it was read: pages are commits, or single records. */
interface Part {
  readonly isInCommits: boolean
  readonly range: ReadOptions
  readonly pages: readonly (readonly LogRecord[])[]
}

/**
 * Reads a part that is drawn at random. Nothing may be deleted or truncated meanwhile; what is appended meanwhile may be
 * in it or not. Rejects with a `Violation`, or as the reader does.
 */
export async function checkSomeRange(reader: WalReader, random: Random): Promise<void> {
  const before = await all(reader.read())
  const base = before[0]?.offset
  if (base === undefined) return
  const range = drawRange(base, before.length, random)
  const pages: (readonly LogRecord[])[] = []
  const isInCommits = random.chance(0.5)
  if (isInCommits) for await (const batch of reader.readBatches(range)) pages.push(batch.records())
  else for await (const record of reader.read(range)) pages.push([record])
  check({ isInCommits, range, pages }, { base, least: before.length, after: await all(reader.read({ from: base })) })
}

function drawRange(base: bigint, records: number, random: Random): ReadOptions {
  const maxRecords = random.chance(0.3) ? 1 + random.int(5) : undefined
  if (random.chance(0.5)) return { fromTimestampMs: 1 + random.int(MAX_TIMESTAMP_MS + 1), maxRecords }
  const from = random.int(records + 1)
  const to = random.chance(0.5) ? base + BigInt(from + 1 + random.int(records)) : undefined
  return { from: base + BigInt(from), to, maxRecords }
}

async function all(records: AsyncIterable<LogRecord>): Promise<LogRecord[]> {
  const found: LogRecord[] = []
  for await (const record of records) found.push(record)
  return found
}

/** `least`: as many records of the log, from `base` on, were there before. */
function check(
  { isInCommits, range, pages }: Part,
  { base, least, after }: { base: bigint; least: number; after: readonly LogRecord[] },
): void {
  const index = (offset: bigint): number => Number(offset - base)
  const { fromTimestampMs = 0, to, maxRecords = Infinity } = range
  const met = after.find(({ timestampMs }) => timestampMs >= fromTimestampMs)?.offset
  const wanted = range.from ?? met
  const begin = wanted === undefined ? Infinity : index(wanted)
  const end = to === undefined ? Infinity : index(to)
  const found = pages.flat()
  const wrong = (what: string): Violation => {
    const shown = found.map(({ offset }) => offset).join(' ')
    return new Violation(`2: of the records ${base} to ${base + BigInt(least - 1)}, [${shown}] were read: ${what}`)
  }
  const [firstPage, lastPage] = [pages[0], pages.at(-1)]
  if (firstPage?.[0] === undefined || lastPage?.[0] === undefined) {
    if (begin < Math.min(least, end)) throw wrong(`they must begin with ${wanted}`)
    return
  }
  const first = index(firstPage[0].offset)
  if (first > begin || first + firstPage.length <= begin) throw wrong(`they must begin with ${wanted}`)
  for (const [at, record] of found.entries()) {
    const expected = after[first + at]
    const isSame = expected?.offset === record.offset && Buffer.compare(expected.value, record.value) === 0
    if (!isSame || expected.timestampMs !== record.timestampMs) throw wrong(`${record.offset} is another record`)
  }
  if (index(lastPage[0].offset) >= end) throw wrong(`they must end before ${to}`)
  if (found.length > maxRecords && pages.length > 1) throw wrong(`no more than ${maxRecords} are wanted`)
  // A commit may be too large for what is left of the budget.
  const isSpent = found.length >= maxRecords || (maxRecords < Infinity && isInCommits)
  if (!isSpent && first + found.length < Math.min(least, end)) throw wrong('there are more')
}
