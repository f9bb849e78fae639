/** The records of a log as its readers find them. */
import type { FileSystem } from '@sq/sim'
import { CorruptLogError, LogNotFoundError, UnsupportedFormatError, WalReader } from '@sq/storage'
import type { LogRecord, RecordBatch, WalConfig } from '@sq/storage'
import { Violation } from '../history.ts'
import type { ValueId, ValueTable } from '../history.ts'

export interface FoundRecord {
  readonly offset: number
  readonly value: ValueId
  /** Whether it is part of an opaque batch, which is returned as a whole. */
  readonly isOpaque: boolean
}

/** The log of a partition, as a process sees it. */
export interface LogPlace {
  readonly fs: FileSystem
  readonly config: WalConfig
  readonly topic: string
  readonly partition: number
}

/** The records of a batch. Those of an opaque batch are its payload and their number in it. */
export function recordsIn(batch: RecordBatch, values: ValueTable): FoundRecord[] {
  const { payload } = batch
  if (payload === null) return batch.records().map((record) => foundRecord(record, values))
  const first = Number(batch.baseOffset)
  const ids = values.opaqueIds(payload, batch.recordCount)
  return ids.map((value, index) => ({ offset: first + index, value, isOpaque: true }))
}

export function foundRecord({ offset, value }: LogRecord, values: ValueTable): FoundRecord {
  return { offset: Number(offset), value: values.id(value), isOpaque: false }
}

/** All records that a reader finds, in order. None if there is no log. */
export async function findRecords(
  { fs, config, topic, partition }: LogPlace,
  values: ValueTable,
  { inBatches }: { inBatches: boolean },
): Promise<FoundRecord[]> {
  const found: FoundRecord[] = []
  try {
    const reader = await WalReader.open(fs, config, topic, partition)
    if (inBatches) for await (const batch of reader.readBatches()) found.push(...recordsIn(batch, values))
    else for await (const record of reader.read()) found.push(foundRecord(record, values))
  } catch (error) {
    if (error instanceof LogNotFoundError) return []
    throw error
  }
  return found
}

/**
 * Runs an action on a log that had power cuts, kills and failures, but no damage. It must not be reported as damaged.
 */
export async function undamaged<T>(look: () => Promise<T>): Promise<T> {
  try {
    return await look()
  } catch (error) {
    if (!(error instanceof CorruptLogError || error instanceof UnsupportedFormatError)) throw error
    throw new Violation(`8: the log is refused, although it is not damaged: ${error.message}`, { cause: error })
  }
}
