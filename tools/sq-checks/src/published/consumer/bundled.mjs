// A program to be bundled. It has no top-level await, so that it can also become CommonJS.
import { NodeFileSystem } from '@sq/sim'
import { WalReader, WalWriter } from '@sq/storage'

async function main() {
  const fs = new NodeFileSystem()
  const config = { dataDir: 'data' }
  const writer = await WalWriter.open(fs, config, 'orders', 0)
  await writer.append(null, Buffer.from('bundled'), [], 0)
  await writer.close()

  const reader = await WalReader.open(fs, config, 'orders', 0)
  for await (const { offset, value } of reader.read()) console.log(`${offset} ${Buffer.from(value).toString()}`)
  await reader.close()
}

main().catch((error) => {
  console.log(error.message)
  process.exitCode = 1
})
