/**
 * The log that `docs/log.svg` shows: segments that were sealed, one that was abandoned, and a last one with a torn end.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ManualClock, Random } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { WalWriter } from '@sq/storage'

const PARTITION = '/data/orders/0'

/** Creates `orders/0` in a data directory, with the same bytes every time. */
export async function makePicturedLog(dataDir: string): Promise<void> {
  const fs = await afterFailures()
  mkdirSync(join(dataDir, 'orders/0'), { recursive: true })
  for (const name of await fs.readdir(PARTITION)) {
    const file = await fs.open(`${PARTITION}/${name}`, 'read')
    const content = Buffer.alloc(await file.size())
    await file.read(content, 0)
    await file.close()
    writeFileSync(join(dataDir, 'orders/0', name), content)
  }
}

/** A disk on which a sync has failed, and the last write was written only in part. */
async function afterFailures(): Promise<InMemoryFileSystem> {
  const fs = new InMemoryFileSystem()
  const random = new Random(7)
  const options = { clock: new ManualClock(), random: random.fork() }
  const writer = await WalWriter.open(fs, { dataDir: '/data', maxSegmentBytes: 40_000 }, 'orders', 0, options)
  const commit = (values: number): Promise<bigint> =>
    writer.appendBatch(
      Array.from({ length: values }, () => {
        return { key: null, value: Buffer.alloc(50 + random.int(200)), headers: [], timestampMs: 0 }
      }),
    )
  for (let count = 0; count < 44; count++) await commit(1 + random.int(20))
  fs.faults.failNext('sync', 'EIO')
  await commit(40).catch(() => {})
  for (let count = 0; count < 26; count++) await commit(1 + random.int(20))
  fs.faults.add({ on: 'write', fault: { error: 'EIO', afterBytes: 3000 } })
  await commit(40).catch(() => {})
  fs.kill()
  return fs
}
