/** Writes the records of a range. */
import { NodeFileSystem } from '@sq/sim'
import { WalReader } from '@sq/storage'
import type { ReadOptions } from '@sq/storage'
import type { DataDirOption, LogName } from '../log-name.ts'
import type { Place } from '../place.ts'
import { RecordWriter } from './record-writer.ts'
import type { RecordOptions } from './record-writer.ts'

export interface CatOptions extends RecordOptions, DataDirOption {
  readonly from?: Place
  readonly to?: Place
  readonly count?: number
}

export async function cat(log: LogName, options: CatOptions): Promise<void> {
  const writer = new RecordWriter(options)
  const reader = await WalReader.open(new NodeFileSystem(), log.config, log.topic, log.partition)
  let left = options.count ?? Infinity
  try {
    for await (const record of reader.read(await rangeOf(reader, options))) {
      if (!writer.wants(record)) continue
      await writer.write(record)
      if (--left === 0 || writer.ended) break
    }
  } finally {
    await writer.flush()
  }
}

async function rangeOf(reader: WalReader, { from, to }: CatOptions): Promise<ReadOptions> {
  const start = from === undefined ? {} : 'offset' in from ? { from: from.offset } : { fromTimestampMs: from.timestampMs }
  if (to === undefined) return start
  const end = 'offset' in to ? to.offset : await reader.offsetAt(to.timestampMs)
  return end === null ? start : { ...start, to: end }
}
