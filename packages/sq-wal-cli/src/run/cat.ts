/** Prints the records of a range. */
import { listSegments, OffsetOutOfRangeError, WalReader } from '@sq/storage'
import type { OpaqueBatchError, ReadOptions } from '@sq/storage'
import type { LocatedLog } from '../log-source.ts'
import { formatBytes, isOutputGone, printNotice } from '../output.ts'
import type { GivenTime, Place } from '../place.ts'
import { isOutputUnseen, progressBar } from '../progress.ts'
import type { ProgressBar } from '../progress.ts'
import { MeteredFileSystem } from './metered-file-system.ts'
import { printPassed, readableRecords } from './readable-records.ts'
import { RecordWriter } from './record-writer.ts'
import type { RecordOptions } from './record-writer.ts'
import { describeEarlierBehind, EarlierRecords } from './time-order.ts'

export interface CatOptions extends RecordOptions {
  readonly from?: Place
  readonly to?: Place
  readonly count?: number
}

export async function cat(log: LocatedLog, options: CatOptions): Promise<void> {
  const writer = new RecordWriter(options)
  let read = 0
  let bar: ProgressBar | null = null
  const fs = new MeteredFileSystem(log.fs, (bytes) => bar?.reached((read += bytes)))
  const reader = await WalReader.open(fs, log.config, log.topic, log.partition)
  const range = await rangeOf(reader, log, options)
  if (isOutputUnseen(writer.isFiltered)) {
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
      if (!writer.wants(record)) continue
      // Records on the terminal show the progress themselves, and must not overwrite the bar.
      if (process.stdout.isTTY) bar?.stop()
      await writer.write(record)
      if (writer.written === options.count || isOutputGone()) break
    }
  } catch (error) {
    throw error instanceof OffsetOutOfRangeError ? await outOfRange(error, log) : error
  } finally {
    bar?.stop()
    await writer.flush()
  }
  if (isOutputGone()) return
  const notices = [writer.describeNone(), earlier?.describe() ?? null]
  if (writer.written !== options.count) notices.push(await describeEnd(reader, log, { ...options, range, lastOffset }))
  for (const notice of notices) if (notice !== null) printNotice(notice)
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
  const start =
    from === undefined ? {} : 'offset' in from ? { from: from.offset } : { fromTimestampMs: from.timestampMs }
  if (to === undefined) return until === undefined ? start : { ...start, to: await endOfEarlier(log, until) }
  const end = 'offset' in to ? to.offset : (await reader.offsetAt(to.timestampMs))?.offset
  return end === undefined ? start : { ...start, to: end }
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
