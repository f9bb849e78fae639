/** Writes the records of a range. */
import { NodeFileSystem } from '@sq/sim'
import { listSegments, WalReader } from '@sq/storage'
import type { ReadOptions } from '@sq/storage'
import type { DataDirOption, LogName } from '../log-name.ts'
import { formatBytes } from '../output.ts'
import type { Place } from '../place.ts'
import { isOutputUnseen, progressBar } from '../progress.ts'
import type { ProgressBar } from '../progress.ts'
import { MeteredFileSystem } from './metered-file-system.ts'
import { RecordWriter } from './record-writer.ts'
import type { RecordOptions } from './record-writer.ts'

export interface CatOptions extends RecordOptions, DataDirOption {
  readonly from?: Place
  readonly to?: Place
  readonly count?: number
}

export async function cat(log: LogName, options: CatOptions): Promise<void> {
  const writer = new RecordWriter(options)
  let read = 0
  let bar: ProgressBar | null = null
  const fs = new MeteredFileSystem((bytes) => bar?.reached((read += bytes)))
  const reader = await WalReader.open(fs, log.config, log.topic, log.partition)
  const range = await rangeOf(reader, options)
  if (isOutputUnseen()) bar = await progressBar('reading', { total: await bytesIn(log, range), format: formatBytes })
  let left = options.count ?? Infinity
  try {
    for await (const record of reader.read(range)) {
      if (!writer.wants(record)) continue
      await writer.write(record)
      if (--left === 0 || writer.ended) break
    }
  } finally {
    bar?.stop()
    await writer.flush()
  }
}

/** The size of the segments that hold a range; null where they cannot be listed. */
async function bytesIn(
  { config, topic, partition }: LogName,
  { from = 0n, fromTimestampMs, to }: ReadOptions,
): Promise<number | null> {
  const segments = await listSegments(new NodeFileSystem(), config, topic, partition).catch(() => null)
  const read = segments?.filter(
    ({ baseOffset, nextOffset, maxTimestampMs }) =>
      nextOffset > from && (to === undefined || baseOffset < to) && (maxTimestampMs ?? 0) >= (fromTimestampMs ?? 0),
  )
  return read?.reduce((sum, { bytes }) => sum + bytes, 0) ?? null
}

async function rangeOf(reader: WalReader, { from, to }: CatOptions): Promise<ReadOptions> {
  const start = from === undefined ? {} : 'offset' in from ? { from: from.offset } : { fromTimestampMs: from.timestampMs }
  if (to === undefined) return start
  const end = 'offset' in to ? to.offset : await reader.offsetAt(to.timestampMs)
  return end === null ? start : { ...start, to: end }
}
