/** Fetches from a log under test, and looks at its bounds, while the writer may be working. */
import type { ManualClock, Random } from '@sq/sim'
import { LogNotFoundError, OffsetOutOfRangeError } from '@sq/storage'
import type { FetchResult, LogBounds, WalReader, WalWriter } from '@sq/storage'
import { DELETED, Violation } from '../history.ts'
import type { Contents, History, ValueTable } from '../history.ts'
import { recordsIn, undamaged } from './found-records.ts'
import type { FoundRecord } from './found-records.ts'

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

function checkFetched(log: FetchedLog, result: FetchResult, { from, to }: { from: number; to: number }): void {
  const records = gapless(log, result, from)
  const durable = Number(log.writer()?.nextOffset ?? Infinity)
  mustEndBefore(Math.min(to, durable), { result, records })
  const values = records.map(({ value }) => value)
  if (!log.history.allows((whole) => isPartOf(whole, { from, values }))) {
    throw new Violation(`7: a fetch from ${from} has [${values.join(' ')}]`)
  }
}

/** The records from an offset on. There must be no gap. */
function gapless(log: FetchedLog, { batches, nextOffset }: FetchResult, from: number): readonly FoundRecord[] {
  const all = batches.flatMap((batch) => recordsIn(batch, log.values))
  // An opaque batch is returned whole.
  const records = all.filter(({ offset, isOpaque }) => !isOpaque || offset >= from)
  const isGapless = records.every(({ offset }, index) => offset === from + index)
  if (isGapless && Number(nextOffset) === from + records.length) return records
  throw new Violation(`2: a fetch from ${from} has [${records.map(({ offset }) => offset).join()}] and ${nextOffset}`)
}

function mustEndBefore(
  end: number,
  { result, records }: { result: FetchResult; records: readonly FoundRecord[] },
): void {
  const { nextOffset, highWatermark } = result
  if (records.length === 0 || nextOffset <= Math.min(end, Number(highWatermark))) return
  throw new Violation(`7: a fetch reached ${nextOffset}, beyond ${end} or ${highWatermark}`)
}

function isPartOf(whole: Contents, { from, values }: { from: number; values: readonly number[] }): boolean {
  return values.every((value, index) => value === whole[from + index])
}

/** A fetch that may wait. */
interface LongPoll {
  readonly from: number
  readonly to: number
  readonly maxBytes: number
  readonly minBytes: number
  readonly maxWaitMs: number
}

/** The longest time that a fetch waits. */
export const LONG_POLL_MS = 20

/** Draws a fetch that may wait, from an offset of the log or from its end. */
export function drawLongPoll(log: FetchedLog, random: Random): LongPoll {
  const end = Number(log.writer()?.nextOffset ?? 0)
  const from = random.chance(0.5) ? end : log.someOffset(random)
  return {
    from,
    to: random.chance(0.3) ? from + random.int(8) : Infinity,
    maxBytes: random.chance(0.5) ? Infinity : 1 + random.int(3000),
    minBytes: random.int(3000),
    maxWaitMs: random.int(LONG_POLL_MS + 1),
  }
}

/**
 * Fetches once, while records may be deleted or truncated, and the log may be reset or deleted. The records that it
 * returns must have been in the log together. It may be refused only if the log did not have the offset or was deleted.
 * Rejects with a `Violation`, or as the reader does if a fault strikes.
 */
export async function fetchDuringCuts(
  log: FetchedLog,
  { reader, failures }: { reader: WalReader; failures: () => number },
  poll: LongPoll,
): Promise<void> {
  const { from, to } = poll
  const { clock, history } = log
  const begun = { ms: clock.monotonic(), failures: failures() }
  const watch = history.watch()
  try {
    const options = { ...poll, from: BigInt(from), to: to === Infinity ? undefined : BigInt(to) }
    const result = await undamaged(() => reader.fetch(options))
    checkLongPoll(log, { result, poll, seen: watch.seen })
    // After a failure, a fetch returns what it has.
    if (failures() === begun.failures) checkPatience(result, poll, clock.monotonic() - begun.ms)
  } catch (error) {
    if (error instanceof OffsetOutOfRangeError && wasLacking(history, from, watch.seen)) return
    if (error instanceof LogNotFoundError && wasDeleted(history, watch.seen)) return
    throw error instanceof OffsetOutOfRangeError || error instanceof LogNotFoundError
      ? new Violation(`7: a fetch from ${from} was refused: ${error.message}`, { cause: error })
      : error
  } finally {
    watch.end()
  }
}

function checkLongPoll(
  log: FetchedLog,
  { result, poll, seen }: { result: FetchResult; poll: LongPoll; seen: readonly Contents[] },
): void {
  const { from, to } = poll
  const records = gapless(log, result, from)
  mustEndBefore(to, { result, records })
  const values = records.map(({ value }) => value)
  const isIn = (whole: Contents): boolean => isPartOf(whole, { from, values })
  if (!seen.some(isIn) && !log.history.allows(isIn)) {
    throw new Violation(`7: a fetch from ${from} has [${values.join(' ')}], which were never in the log together`)
  }
}

/** A fetch without other limits returns less than it wants only when its time is over. */
function checkPatience(
  { batches }: FetchResult,
  { to, maxBytes, minBytes, maxWaitMs }: LongPoll,
  waitedMs: number,
): void {
  const bytes = batches.reduce((sum, batch) => sum + batch.bytes.length, 0)
  if (bytes >= minBytes || waitedMs >= maxWaitMs || to < Infinity || maxBytes < Infinity) return
  throw new Violation(`12: a fetch of ${minBytes} bytes returned ${bytes} after ${waitedMs} of ${maxWaitMs} ms`)
}

/** Whether the log is being deleted, or was. */
function wasDeleted({ isLogMaybeDeleted }: History, seen: readonly Contents[]): boolean {
  return isLogMaybeDeleted || seen.slice(1).some(({ length }) => length === 0)
}

/** Whether the log had no such offset, now or at another moment. */
function wasLacking(history: History, offset: number, seen: readonly Contents[]): boolean {
  return history.mayLack(offset) || seen.some((whole) => offset > whole.length || whole[offset] === DELETED)
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
