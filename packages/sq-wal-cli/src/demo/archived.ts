/** Moves the log of the demo through an archive: to an object store, and from there into an empty data directory. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Archiver, restoreLog, verifyArchive } from '@sq/archive'
import type { ObjectStore } from '@sq/archive'
import { SystemClock } from '@sq/sim'
import { WalWriter } from '@sq/storage'
import { CommandError } from '../command-error.ts'
import { fs, logConfig, partition, topic } from './log.ts'

/** What was moved, and how long each way took. */
export interface Moved {
  readonly segments: number
  readonly bytes: number
  readonly uploadMs: number
  readonly restoreMs: number
}

/** Archives the log, deletes it here, and restores it. */
export async function moveThroughArchive(
  store: ObjectStore,
  { dataDir, prefix, signal }: { readonly dataDir: string; readonly prefix: string; readonly signal: AbortSignal },
): Promise<Moved> {
  const clock = new SystemClock()
  const startMs = clock.monotonic()
  const { uploadedSegments, uploadedBytes } = await upload(store, { dataDir, prefix, signal })
  const uploadedMs = clock.monotonic()
  await rm(join(dataDir, topic), { recursive: true })
  signal.throwIfAborted()
  await restoreLog(store, { prefix, topic, partition }, { fs, config: logConfig(dataDir) })
  const restoreMs = clock.monotonic() - uploadedMs
  return { segments: uploadedSegments, bytes: uploadedBytes, uploadMs: uploadedMs - startMs, restoreMs }
}

async function upload(
  store: ObjectStore,
  { dataDir, prefix, signal }: { readonly dataDir: string; readonly prefix: string; readonly signal: AbortSignal },
): Promise<{ uploadedSegments: number; uploadedBytes: number }> {
  const config = logConfig(dataDir)
  await using writer = await WalWriter.open(fs, config, topic, partition)
  await writer.closeActiveSegment()
  const archiver = new Archiver(fs, config, store, { prefix })
  const log = archiver.attach(writer, topic, partition)
  await archiver.close({ signal })
  if (log.error !== null) throw log.error
  const { isSound, logStartOffset, logEndOffset } = await verifyArchive(store, { prefix, topic, partition })
  // Nothing may be deleted here that is not safe there.
  if (!isSound || logStartOffset !== 0n || logEndOffset !== writer.logEndOffset) {
    throw new CommandError(`the archive ends at offset ${logEndOffset}, expected ${writer.logEndOffset}`)
  }
  return log.stats()
}

/** Deletes what the demo has stored. */
export async function removeArchive(store: ObjectStore, prefix: string): Promise<void> {
  const keys: string[] = []
  for await (const { key } of store.list(`${prefix}/`)) keys.push(key)
  for (const key of keys) await store.delete(key)
}
