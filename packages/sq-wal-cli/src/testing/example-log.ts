/** Example logs with the same bytes every time. */
import { ManualClock, NodeFileSystem, Random } from '@sq/sim'
import { WalWriter } from '@sq/storage'
import type { RecordHeader } from '@sq/storage'

const START_MS = Date.UTC(2026, 10, 22, 20)

/** Creates `orders/0` with three segments, the last one active, and `audit/7` without a record. */
export async function makeExampleLogs(dataDir: string): Promise<void> {
  const orders = await openExample(dataDir, 'orders', 0)
  for (let offset = 0; offset < 13; offset++) {
    const key = offset % 2 === 1 ? Buffer.from(`key ${offset % 4}`) : null
    const headers: RecordHeader[] = offset === 6 ? [{ key: 'trace', value: Buffer.from('abc') }] : []
    await orders.append(key, Buffer.from(`order ${offset}`), headers, START_MS + 60_000 * offset)
    if (offset === 3 || offset === 7) await orders.closeActiveSegment()
  }
  // Not UTF-8, and with an escape code for red text.
  await orders.append(null, Buffer.from([0xff, 0x00, 0x1b, 0x5b, 0x33, 0x31, 0x6d]), [], START_MS + 60_000 * 13)
  await orders.close()
  const audit = await openExample(dataDir, 'audit', 7)
  await audit.close()
}

/** A writer whose clock and ids are the same every time. */
export function openExample(dataDir: string, topic: string, partition: number): Promise<WalWriter> {
  const options = { clock: new ManualClock(START_MS), random: new Random(1) }
  return WalWriter.open(new NodeFileSystem(), { dataDir }, topic, partition, options)
}
