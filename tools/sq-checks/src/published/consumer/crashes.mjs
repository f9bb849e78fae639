// Uses the other entry points of @sq/sim: a power cut in memory, and the conformance suite.
import { InMemoryFileSystem } from '@sq/sim/memory'
import { fileSystemTests } from '@sq/sim/testing'
import { listSegments, WalWriter } from '@sq/storage'

for (const { run } of fileSystemTests) {
  const fs = new InMemoryFileSystem()
  await fs.mkdir('/test')
  await run({ fs, directory: '/test' })
}

const fs = new InMemoryFileSystem()
const writer = await WalWriter.open(fs, { dataDir: '/data' }, 'orders', 0)
await writer.append(null, Buffer.from('kept'), [], 0)
fs.crash()
const [segment] = await listSegments(fs, { dataDir: '/data' }, 'orders', 0)
console.log(`${segment?.records} record after a power cut`)
