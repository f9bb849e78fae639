/** Fetches from a log under test, and looks at its bounds, while the writer may be working. */
import type { ManualClock, Random } from '@sq/sim'
import type { FetchResult, LogBounds, WalReader, WalWriter } from '@sq/storage'
import { Violation } from '../history.ts'
import type { History, ValueTable } from '../history.ts'
import { recordsIn, undamaged } from './found-records.ts'

interface FetchedLog {
  readonly history: History
  readonly values: ValueTable
  readonly clock: ManualClock
  /** Null if no writer is open. */
  writer(): WalWriter | null
  someOffset(random: Random): number
}

/** A reader, and the process that it is in. */
interface ReadingProcess {
  readonly reader: WalReader
  readonly isAlive: () => boolean
  readonly untilDead: (work: Promise<unknown>) => Promise<void>
}

/**
 * Fetches some times while nothing is deleted or truncated: often where the last fetch ended. Only durable records
 * before `to` may be returned, in order and without gaps.
 */
export async function fetchSome(
  log: FetchedLog,
  { reader, isAlive, untilDead }: ReadingProcess,
  random: Random,
): Promise<void> {
  let from = log.someOffset(random)
  for (let left = 1 + random.int(4); left > 0 && isAlive(); left--) {
    const to = random.chance(0.5) ? from + random.int(8) : Infinity
    const limits = { maxBytes: 1 + random.int(3000), minBytes: random.int(3000), maxWaitMs: random.int(2) }
    const options = { from: BigInt(from), ...limits, ...(to === Infinity ? {} : { to: BigInt(to) }) }
    const fetching = undamaged(() => reader.fetch(options)).then((result) => {
      checkFetched(log, result, { from, to })
      return Number(result.nextOffset)
    })
    // A failure is reported by the wait below.
    fetching.catch(() => {})
    for (let turns = random.int(20); turns > 0; turns--) await new Promise(setImmediate)
    log.clock.advance(1)
    await untilDead(fetching)
    if (isAlive()) from = await fetching
    if (random.chance(0.3)) from = log.someOffset(random)
  }
}

function checkFetched(
  log: FetchedLog,
  { batches, nextOffset, highWatermark }: FetchResult,
  { from, to }: { from: number; to: number },
): void {
  const all = batches.flatMap((batch) => recordsIn(batch, log.values))
  // An opaque batch is returned whole.
  const records = all.filter(({ offset, isOpaque }) => !isOpaque || offset >= from)
  const end = from + records.length
  if (records.some(({ offset }, index) => offset !== from + index) || Number(nextOffset) !== end) {
    throw new Violation(`2: a fetch from ${from} has [${records.map(({ offset }) => offset).join()}] and ${nextOffset}`)
  }
  const durable = Number(log.writer()?.nextOffset ?? Infinity)
  if (records.length > 0 && end > Math.min(to, durable, Number(highWatermark))) {
    throw new Violation(`7: a fetch reached ${end}, beyond ${to}, ${durable} or ${highWatermark}`)
  }
  const values = records.map(({ value }) => value)
  if (!log.history.allows((whole) => values.every((value, index) => value === whole[from + index]))) {
    throw new Violation(`7: a fetch from ${from} has [${values.join(' ')}]`)
  }
}

/**
 * Looks at the bounds of the log in the process of the writer, while nothing is deleted or truncated. They must be those
 * that the writer knew at some moment of the call.
 */
export async function checkBounds(writer: WalWriter, reader: WalReader): Promise<void> {
  const { logStartOffset, logEndOffset } = writer
  const found = await undamaged(() => reader.bounds())
  const isStart = found.logStartOffset === logStartOffset && logStartOffset === writer.logStartOffset
  if (isStart && found.logEndOffset >= logEndOffset && found.logEndOffset <= writer.logEndOffset) return
  const known = `the log began at ${logStartOffset} and ended at ${logEndOffset} to ${writer.logEndOffset}`
  throw new Violation(`7: the bounds are ${shown(found)}, but ${known}`)
}

/**
 * The same in another process, which knows only the files: what is there must be some contents that the log may have
 * now. No acknowledged record may be outside of the bounds.
 */
export async function checkBoundsFromFiles({ history }: FetchedLog, reader: WalReader): Promise<void> {
  const { leastStart, mostStart, leastEnd, mostEnd } = history.bounds
  const found = await undamaged(() => reader.bounds())
  const [start, end] = [Number(found.logStartOffset), Number(found.logEndOffset)]
  const isStart = start >= Math.min(leastStart, end) && start <= Math.min(mostStart, end)
  if (isStart && end >= leastEnd && end <= mostEnd) return
  const expected = `a start from ${leastStart} to ${mostStart}, and an end from ${leastEnd} to ${mostEnd}`
  throw new Violation(`7: the bounds in another process are ${shown(found)}, expected ${expected}`)
}

function shown({ logStartOffset, logEndOffset }: LogBounds): string {
  return `${logStartOffset} and ${logEndOffset}`
}
