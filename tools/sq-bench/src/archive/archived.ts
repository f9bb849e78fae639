/** The log that is read from its archive, and how it got there. */
import { Archiver, listArchive } from '@sq/archive'
import type { ArchivedSegment, LogPlace } from '@sq/archive'
import { WalWriter } from '@sq/storage'
import { fs, makeLog, PARTITION, TOPIC } from '../filled-log.ts'
import type { Filling } from '../filled-log.ts'
import type { Contender } from './contender.ts'

export const PLACE: LogPlace = { topic: TOPIC, partition: PARTITION }

/** In commits of 256 KB, and segments of 64 MiB. Timestamps are offsets. */
const FILLING: Filling = { valueBytes: 1000, totalBytes: 1_000_000_000, burst: 256 }

/** A log that is archived as a whole. */
export interface ArchivedLog {
  readonly dataDir: string
  readonly segments: readonly ArchivedSegment[]
  readonly bytes: number
}

/** Writes a log of about 1 GiB. */
export async function writeLog(dataDir: string): Promise<void> {
  await makeLog({ dataDir }, FILLING)
}

/** Archives all of a log. */
export async function archiveLog(dataDir: string, { store }: Contender): Promise<ArchivedLog> {
  const archiver = new Archiver(fs, { dataDir }, store)
  const { onSegmentClosed } = archiver
  const writer = await WalWriter.open(fs, { dataDir }, TOPIC, PARTITION, { onSegmentClosed })
  const log = archiver.attach(writer, TOPIC, PARTITION)
  await writer.closeActiveSegment()
  await log.waitArchived(writer.logEndOffset - 1n)
  await archiver.close()
  await writer.close()
  const { segments } = await listArchive(store, PLACE)
  return { dataDir, segments, bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0) }
}
