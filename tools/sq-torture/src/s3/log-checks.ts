/** What must hold of a log that is archived on a real server. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Archiver, FencedError, ObjectStoreFileSystem, restoreLog, verifyArchive } from '@sq/archive'
import type { LogArchiver, ObjectStore } from '@sq/archive'
import { NodeFileSystem, WalReader, WalWriter } from '@sq/storage'
import type { Check } from './check.ts'

const PLACE = { topic: 'orders', partition: 0 }
/** A segment of 9 MiB is uploaded in parts. */
const VALUE_BYTES = 96 * 1024
const RECORDS = 96

/** A machine with a log and its archiver. */
interface Machine {
  readonly writer: WalWriter
  readonly archiver: Archiver
  readonly log: LogArchiver
}

const fs = new NodeFileSystem()

async function open(dataDir: string, store: ObjectStore): Promise<Machine> {
  const archiver = new Archiver(fs, { dataDir }, store)
  const { onSegmentClosed } = archiver
  const writer = await WalWriter.open(fs, { dataDir }, PLACE.topic, PLACE.partition, { onSegmentClosed })
  return { writer, archiver, log: archiver.attach(writer, PLACE.topic, PLACE.partition) }
}

async function close({ writer, archiver }: Machine): Promise<void> {
  await archiver.close()
  await writer.close()
}

/** Appends a segment, ends it, and resolves with its values and last offset. */
async function appendSegment({ writer }: Machine, name: string, records: number): Promise<[string[], bigint]> {
  const values = Array.from({ length: records }, (_, index) => `${name} ${index} `.padEnd(VALUE_BYTES, 'x'))
  let last = 0n
  for (const value of values) last = await writer.append({ value: Buffer.from(value) })
  await writer.closeActiveSegment()
  return [values, last]
}

async function archivedValues(store: ObjectStore): Promise<string[]> {
  const archive = new ObjectStoreFileSystem(store)
  const reader = await WalReader.open(archive, { dataDir: '/' }, PLACE.topic, PLACE.partition)
  const found: string[] = []
  for await (const { value } of reader.read()) found.push(Buffer.from(value ?? []).toString())
  await reader.close()
  return found
}

export const LOG_CHECKS: readonly Check[] = [
  {
    name: 'a log is archived, goes on on another machine, and the first machine is told to stop',
    async run(server) {
      const options = { bucket: await server.bucket(), prefix: 'backups' }
      const directory = await mkdtemp(join(tmpdir(), 'sq-s3-log-'))
      const [first, second] = [join(directory, 'first'), join(directory, 'second')]
      try {
        await server.using(options, async (store) => {
          const old = await open(first, store)
          const [large] = await appendSegment(old, 'large', RECORDS)
          const [small, last] = await appendSegment(old, 'small', 1)
          await old.log.waitArchived(last)

          const target = { fs, config: { dataDir: second } }
          assert.equal((await restoreLog(store, PLACE, target)).logEndOffset, last + 1n)
          const next = await open(second, store)
          const [continued, end] = await appendSegment(next, 'continued', 2)
          await next.log.waitArchived(end)
          await close(next)

          const [, lost] = await appendSegment(old, 'lost', 1)
          await assert.rejects(old.log.waitArchived(lost), FencedError)
          await close(old)

          assert.deepEqual(await archivedValues(store), [...large, ...small, ...continued])
          const { isSound, foreign, logEndOffset } = await verifyArchive(store, PLACE, { deep: true })
          assert.deepEqual({ isSound, foreign, logEndOffset }, { isSound: true, foreign: [], logEndOffset: end + 1n })
        })
        await server.using({ ...options, readOnly: true }, async (store) => {
          assert.equal((await archivedValues(store)).length, RECORDS + 3)
        })
      } finally {
        await rm(directory, { recursive: true })
      }
    },
  },
]
