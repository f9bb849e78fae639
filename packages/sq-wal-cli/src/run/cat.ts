/** Prints the records of a range. */
import { listSegments, OffsetOutOfRangeError, WalReader } from '@sq/storage'
import type { OpaqueBatchError, ReadOptions } from '@sq/storage'
import type { Selection } from '../log-selection.ts'
import type { LocatedLog } from '../log-source.ts'
import { formatBytes, isOutputGone, printNotice } from '../output.ts'
import type { GivenTime, Place } from '../place.ts'
import { isOutputUnseen, progressBar } from '../progress.ts'
import type { ProgressBar } from '../progress.ts'
import { onEachLog } from './each-log.ts'
import { MeteredFileSystem } from './metered-file-system.ts'
import { printPassed, readableRecords } from './readable-records.ts'
import { RecordFilter } from './record-filter.ts'
import { RecordWriter } from './record-writer.ts'
import type { RecordOptions } from './record-writer.ts'
import { describeEarlierBehind, EarlierRecords } from './time-order.ts'

export interface CatOptions extends RecordOptions {
  readonly from?: Place
  readonly to?: Place
  readonly count?: number
}

/** Resolves with the exit status. */
export async function cat(selection: Selection, options: CatOptions): Promise<number> {
  const isOne = selection.single !== null
  const writer = new RecordWriter(options, { writesLogs: !isOne })
  const status = await onEachLog(selection, async (log) => {
    for (const notice of await catLog(log, options, writer)) {
      printNotice(isOne ? notice : `${log.topic}/${log.partition}: ${notice}`)
    }
  })
  await writer.flush()
  return options.exitStatus === true && writer.written === 0 ? 1 : status
}

/** Resolves with notices about the output. */
async function catLog(log: LocatedLog, options: CatOptions, writer: RecordWriter): Promise<string[]> {
  const filter = new RecordFilter(options)
  let read = 0
  let bar: ProgressBar | null = null
  const fs = new MeteredFileSystem(log.fs, (bytes) => bar?.reached((read += bytes)))
  const reader = await WalReader.open(fs, log.config, log.topic, log.partition)
  const range = await rangeOf(reader, log, options)
  if (isOutputUnseen(filter.isActive)) {
    bar = await progressBar('reading', { total: await bytesIn(log, range), format: formatBytes })
  }
  const earlier = options.from !== undefined && 'timestampMs' in options.from ? new EarlierRecords(options.from) : null
  let lastOffset = -1n
  try {
    const passed = (batch: OpaqueBatchError): void => {
      lastOffset = batch.nextOffset - 1n
      printPassed(batch)
    }
    for await (const record of readableRecords(reader, { ...range, durableOnly: options.durableOnly }, passed)) {
      lastOffset = record.offset
      earlier?.saw(record)
      if (!filter.selects(record)) continue
      // Records on the terminal show the progress themselves, and must not overwrite the bar.
      if (process.stdout.isTTY) bar?.stop()
      await writer.write(record, log)
      if (filter.selected === options.count || isOutputGone()) break
    }
  } catch (error) {
    throw error instanceof OffsetOutOfRangeError ? await outOfRange(error, log) : error
  } finally {
    bar?.stop()
    await writer.flush()
  }
  if (isOutputGone()) return []
  const notices = [filter.describeNone(), earlier?.describe() ?? null]
  if (filter.selected !== options.count) notices.push(await describeEnd(reader, log, { ...options, range, lastOffset }))
  return notices.filter((notice) => notice !== null)
}

/** A notice about the end of the range if it may not be what was meant, else null. */
async function describeEnd(
  reader: WalReader,
  log: LocatedLog,
  { from, to, range, lastOffset }: CatOptions & { readonly range: ReadOptions; readonly lastOffset: bigint },
): Promise<string | null> {
  if (to === undefined || range.to === undefined) return null
  if ('timestampMs' in to) {
    const sinceMs = from !== undefined && 'timestampMs' in from ? from.timestampMs : 0
    return describeEarlierBehind(reader, log, {
      option: '--to',
      timestampMs: to.timestampMs,
      offset: range.to,
      sinceMs,
    })
  }
  // The number may be meant as seconds.
  if (lastOffset < 0n || to.offset <= lastOffset + 1n) return null
  return `--to ${to.offset} is an offset, but the last record is ${lastOffset}; write a time as @SECONDS`
}

/** The same error with the next offset as listed: a reader in another process than the writer does not know it. */
async function outOfRange(error: OffsetOutOfRangeError, log: LocatedLog): Promise<OffsetOutOfRangeError> {
  const segments = await listSegments(log.fs, log.config, log.topic, log.partition)
  const nextOffset = segments.at(-1)?.nextOffset ?? error.nextOffset
  const { offset, firstOffset } = error
  return new OffsetOutOfRangeError({ path: `${log.topic}/${log.partition}`, offset, firstOffset, nextOffset })
}

/** The size of the segments that contain a range. Null if they cannot be listed. */
async function bytesIn(
  { fs, config, topic, partition }: LocatedLog,
  { from = 0n, fromTimestampMs, to }: ReadOptions,
): Promise<number | null> {
  const segments = await listSegments(fs, config, topic, partition).catch(() => null)
  const read = segments?.filter(
    ({ baseOffset, nextOffset, maxTimestampMs }) =>
      nextOffset > from && (to === undefined || baseOffset < to) && (maxTimestampMs ?? 0) >= (fromTimestampMs ?? 0),
  )
  return read?.reduce((sum, { bytes }) => sum + bytes, 0) ?? null
}

async function rangeOf(
  reader: WalReader,
  log: LocatedLog,
  { since, until, from = since, to }: CatOptions,
): Promise<ReadOptions> {
  const start = startAt(from)
  if (to === undefined) return until === undefined ? start : { ...start, to: await endOfEarlier(log, until) }
  const end = 'offset' in to ? to.offset : (await reader.offsetAt(to.timestampMs))?.offset
  return end === undefined ? start : { ...start, to: end }
}

/** Begins a range at a place; at the beginning of the log if there is none. */
export function startAt(place: Place | undefined): ReadOptions {
  if (place === undefined) return {}
  return 'offset' in place ? { from: place.offset } : { fromTimestampMs: place.timestampMs }
}

/** The end of the last segment with a record before this time. Undefined if the log cannot be listed. */
async function endOfEarlier(
  { fs, config, topic, partition }: LocatedLog,
  { timestampMs }: GivenTime,
): Promise<bigint | undefined> {
  const segments = await listSegments(fs, config, topic, partition).catch(() => [])
  const last = segments.findLast(({ minTimestampMs }) => (minTimestampMs ?? Infinity) < timestampMs)
  return last?.nextOffset ?? segments[0]?.baseOffset
}
