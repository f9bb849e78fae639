/** Reads a part of a log, by offset or by time, and compares it with the whole log before and after. */
import type { Random } from '@sq/sim'
import type { LogRecord, ReadOptions, WalReader } from '@sq/storage'
import { Violation } from './history.ts'

/** Timestamps are from 1 to this, unordered. */
export const MAX_TIMESTAMP_MS = 50

/** A part of a log: the options, and the pages that were read. Pages are commits or single records. */
interface Part {
  readonly isInCommits: boolean
  readonly range: ReadOptions
  readonly pages: readonly (readonly LogRecord[])[]
}

/**
 * Reads a random part. Nothing may be deleted or truncated meanwhile; records that are appended meanwhile may be in it
 * or not. Rejects with a `Violation`, or as the reader does.
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

/** `least`: the number of records, from `base` on, that were there before. */
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
    return new Violation(`2: [${shown}] of the records ${base} to ${base + BigInt(least - 1)} were read: ${what}`)
  }
  const [firstPage, lastPage] = [pages[0], pages.at(-1)]
  if (firstPage?.[0] === undefined || lastPage?.[0] === undefined) {
    if (begin < Math.min(least, end)) throw wrong(`expected them to start with ${wanted}`)
    return
  }
  const first = index(firstPage[0].offset)
  if (first > begin || first + firstPage.length <= begin) throw wrong(`expected them to start with ${wanted}`)
  for (const [at, record] of found.entries()) {
    const expected = after[first + at]
    const isSame = expected?.offset === record.offset && areSame(expected.value, record.value)
    if (!isSame || expected.timestampMs !== record.timestampMs)
      throw wrong(`the record at offset ${record.offset} differs`)
  }
  if (index(lastPage[0].offset) >= end) throw wrong(`expected them to end before ${to}`)
  if (found.length > maxRecords && pages.length > 1) throw wrong(`expected at most ${maxRecords}`)
  // A commit can be too large for the rest of the budget.
  const isSpent = found.length >= maxRecords || (maxRecords < Infinity && isInCommits)
  if (!isSpent && first + found.length < Math.min(least, end)) throw wrong('expected more')
}

function areSame(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === null || b === null ? a === b : Buffer.compare(a, b) === 0
}
