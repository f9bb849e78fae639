/** Reads a part of a log, by offset or by time, and compares it with the whole log before and after. */
import type { Random } from '@sq/sim'
import type { LogRecord, ReadBatchesOptions, RecordBatch, WalReader } from '@sq/storage'
import { Violation } from './history.ts'

/** Timestamps are from 1 to this, unordered. */
export const MAX_TIMESTAMP_MS = 50

/** How a part is read: by record, in commits, or in commits that are cut where the part begins and ends. */
type Manner = 'records' | 'commits' | 'exact'

/** A record that was read, or one that an opaque batch stands for: with the payload of all, and the time of all. */
interface ReadRecord {
  readonly offset: bigint
  readonly value: Uint8Array | null
  readonly timestampMs: number
  /** The offset after the opaque batch; null for a record. */
  readonly opaqueEnd: bigint | null
}

/** A part of a log: the options, and the pages that were read. Pages are commits or single records. */
interface Part {
  readonly manner: Manner
  readonly range: ReadBatchesOptions
  readonly pages: readonly (readonly ReadRecord[])[]
}

/**
 * Reads a random part. Nothing may be deleted or truncated meanwhile; records that are appended meanwhile may be in it
 * or not. With `inBatches` some may be opaque. Rejects with a `Violation`, or as the reader does.
 */
export async function checkSomeRange(
  reader: WalReader,
  random: Random,
  { inBatches }: { inBatches: boolean },
): Promise<void> {
  const before = await all(reader, { inBatches })
  const base = before[0]?.offset
  if (base === undefined) return
  // An opaque batch is returned whole, also if its first records are deleted: then it begins before the log.
  const { logStartOffset } = await reader.bounds()
  const start = base < logStartOffset ? logStartOffset : base
  const range = drawRange(before, start, random)
  const manner = random.pick(inBatches ? (['commits', 'exact'] as const) : (['records', 'commits', 'exact'] as const))
  const pages: (readonly ReadRecord[])[] = []
  if (manner === 'records') for await (const record of reader.read(range)) pages.push([readRecord(record)])
  else
    for await (const batch of reader.readBatches({ ...range, exact: manner === 'exact' })) pages.push(recordsOf(batch))
  const after = await all(reader, { inBatches, from: start })
  new PartCheck({ manner, range, pages }, { base, least: before.length, after }).run()
}

/** A range of a log that has these records and begins at `start`: at the first of them, or inside an opaque batch. */
function drawRange(records: readonly ReadRecord[], start: bigint, random: Random): ReadBatchesOptions {
  const maxRecords = random.chance(0.3) ? 1 + random.int(5) : undefined
  if (random.chance(0.5)) return { fromTimestampMs: 1 + random.int(MAX_TIMESTAMP_MS + 1), maxRecords }
  const base = records[0]?.offset ?? start
  const index = random.int(records.length + 1)
  const to = random.chance(0.5) ? base + BigInt(index + 1 + random.int(records.length)) : undefined
  const first = base + BigInt(index)
  const from = first < start ? start : first
  // Opaque batches are few, so most ranges end inside the next one, if there is one.
  const isMoved = to !== undefined && index % 4 !== 0
  return { from, to: (isMoved ? insideOpaque(records, from) : undefined) ?? to, maxRecords }
}

/** The first offset after another one that is inside an opaque batch. */
function insideOpaque(records: readonly ReadRecord[], after: bigint): bigint | undefined {
  return records.find(({ offset, opaqueEnd }, index) => {
    return offset > after && opaqueEnd !== null && records[index - 1]?.opaqueEnd === opaqueEnd
  })?.offset
}

async function all(
  reader: WalReader,
  { inBatches, from }: { inBatches: boolean; from?: bigint },
): Promise<ReadRecord[]> {
  const found: ReadRecord[] = []
  const range = from === undefined ? {} : { from }
  if (inBatches) for await (const batch of reader.readBatches(range)) found.push(...recordsOf(batch))
  else for await (const record of reader.read(range)) found.push(readRecord(record))
  return found
}

function readRecord({ offset, value, timestampMs }: LogRecord): ReadRecord {
  return { offset, value, timestampMs, opaqueEnd: null }
}

function recordsOf(batch: RecordBatch): ReadRecord[] {
  const { baseOffset, recordCount, payload: value, nextOffset: opaqueEnd, maxTimestampMs: timestampMs } = batch
  if (value === null) return batch.records().map(readRecord)
  return Array.from({ length: recordCount }, (_, index) => {
    return { offset: baseOffset + BigInt(index), value, timestampMs, opaqueEnd }
  })
}

/** The whole log: `least` records, from `base` on, were there before, and `after` are there now. */
interface Whole {
  readonly base: bigint
  readonly least: number
  readonly after: readonly ReadRecord[]
}

class PartCheck {
  readonly #part: Part
  readonly #whole: Whole
  readonly #found: readonly ReadRecord[]
  /** Where the part begins and ends, as indexes of records from `base` on. */
  readonly #begin: number
  readonly #end: number

  constructor(part: Part, whole: Whole) {
    const { range, pages } = part
    const { fromTimestampMs = 0, to } = range
    const wanted = range.from ?? whole.after.find(({ timestampMs }) => timestampMs >= fromTimestampMs)?.offset
    this.#part = part
    this.#whole = whole
    this.#found = pages.flat()
    this.#begin = wanted === undefined ? Infinity : Number(wanted - whole.base)
    this.#end = to === undefined ? Infinity : Number(to - whole.base)
  }

  run(): void {
    const [firstPage, lastPage] = [this.#part.pages[0], this.#part.pages.at(-1)]
    if (firstPage?.[0] === undefined || lastPage?.[0] === undefined) {
      this.#mustEndAt(this.#begin)
      return
    }
    const first = this.#index(firstPage[0])
    this.#checkFirst(firstPage[0], first + firstPage.length)
    this.#checkContent(first)
    this.#checkLast(lastPage[0])
    this.#mustEndAt(first + this.#found.length)
  }

  #index({ offset }: ReadRecord): number {
    return Number(offset - this.#whole.base)
  }

  #checkFirst(record: ReadRecord, pageEnd: number): void {
    const first = this.#index(record)
    const isCut = this.#part.manner === 'exact' && record.opaqueEnd === null
    if (isCut ? first === this.#begin : first <= this.#begin && pageEnd > this.#begin) return
    throw this.#wrong(`expected them to start with ${this.#whole.base + BigInt(this.#begin)}`)
  }

  #checkContent(first: number): void {
    for (const [at, record] of this.#found.entries()) {
      const expected = this.#whole.after[first + at]
      if (expected === undefined || !areSame(expected, record))
        throw this.#wrong(`the record at offset ${record.offset} differs`)
    }
  }

  #checkLast(firstOfLastPage: ReadRecord): void {
    const { manner, range, pages } = this.#part
    const last = this.#found.at(-1)
    const reached = manner === 'exact' && last !== undefined ? last : firstOfLastPage
    if (this.#index(reached) >= this.#end) throw this.#wrong(`expected them to end before ${range.to}`)
    const { maxRecords = Infinity } = range
    const mayExceed = pages.length === 1 && (manner === 'commits' || firstOfLastPage.opaqueEnd !== null)
    if (this.#found.length > maxRecords && !mayExceed) throw this.#wrong(`expected at most ${maxRecords}`)
  }

  /** What was read may end here, before a record of this index. */
  #mustEndAt(index: number): void {
    const { manner, range } = this.#part
    const { maxRecords = Infinity } = range
    if (index >= Math.min(this.#whole.least, this.#end) || this.#found.length >= maxRecords) return
    // A commit can be too large for the rest of the budget. With `exact`, only an opaque one is not cut.
    const opaqueEnd = this.#whole.after[index]?.opaqueEnd ?? null
    const isTooLarge = maxRecords < Infinity && this.#found.length > 0
    if (isTooLarge && (manner === 'commits' || opaqueEnd !== null)) return
    if (manner === 'exact' && opaqueEnd !== null && Number(opaqueEnd - this.#whole.base) > this.#end) return
    throw this.#wrong(index === this.#begin ? 'expected them to start there' : 'expected more')
  }

  #wrong(what: string): Violation {
    const { base, least } = this.#whole
    const shown = this.#found.map(({ offset }) => offset).join(' ')
    return new Violation(`2: [${shown}] of the records ${base} to ${base + BigInt(least - 1)} were read: ${what}`)
  }
}

function areSame(left: ReadRecord, right: ReadRecord): boolean {
  const { value } = left
  const isValueSame =
    value === null || right.value === null ? value === right.value : Buffer.compare(value, right.value) === 0
  const isPlaceSame = left.offset === right.offset && left.opaqueEnd === right.opaqueEnd
  return isValueSame && isPlaceSame && left.timestampMs === right.timestampMs
}
