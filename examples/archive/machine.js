/**
 * A machine of a broker whose log survives it: appends the lines that it reads, archives them, and prints how far they
 * are safe. Started on another machine, it goes on where the archive ends.
 *
 *     node examples/archive/machine.js DATA_DIR ARCHIVE_DIR
 *
 * In place of the directory, an `S3ObjectStore` of `@sq/archive/s3` makes it survive more than a disk.
 */
import { createInterface } from 'node:readline'
import { Archiver, DirectoryObjectStore, lastArchived, restoreLog } from '@sq/archive'
import { LogNotFoundError, NodeFileSystem, WalReader, WalWriter } from '@sq/storage'

const LOG = { topic: 'orders', partition: 0 }
/** How long a line may be on this machine only. */
const MAX_UNARCHIVED_MS = 200

const [dataDir = 'data', archiveDir = 'archive'] = process.argv.slice(2)
const fs = new NodeFileSystem()
const config = { dataDir }
const store = new DirectoryObjectStore(fs, archiveDir)

await restoreIfMissing()
const archiver = new Archiver(fs, config, store, {
  maxUnarchivedMs: MAX_UNARCHIVED_MS,
  // Another machine has taken over. What was acknowledged here and not archived is only here.
  onStopped(error) {
    console.error(`stopped: ${error.message}`)
    process.exit(1)
  },
})
const { topic, partition } = LOG
const writer = await WalWriter.open(fs, config, topic, partition, { onSegmentClosed: archiver.onSegmentClosed })
const archived = archiver.attach(writer, topic, partition)
console.log(`begins at ${writer.nextOffset}`)

for await (const line of createInterface(process.stdin)) {
  const offset = await writer.append({ value: Buffer.from(line) })
  // A broker that wants to lose nothing with its machine acknowledges now, and not after the append.
  archived.waitArchived(offset).then(
    () => console.log(`safe up to ${offset + 1n}`),
    () => {},
  )
}
await writer.closeActiveSegment()
await archiver.close()
await writer.close()
console.log(`safe up to ${writer.nextOffset}`)

/** On a machine without this log, restores it if it is archived. A new log begins where nothing is. */
async function restoreIfMissing() {
  try {
    const reader = await WalReader.open(fs, config, LOG.topic, LOG.partition)
    await reader.close()
  } catch (error) {
    if (!(error instanceof LogNotFoundError)) throw error
    if ((await lastArchived(store, LOG)) !== null) await restoreLog(store, LOG, { fs, config })
  }
}
