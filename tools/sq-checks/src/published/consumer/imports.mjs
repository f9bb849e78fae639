// A first program in plain JavaScript, as an ES module.
import { NodeFileSystem, WalReader, WalWriter } from '@sq/storage'

const fs = new NodeFileSystem()
const config = { dataDir: process.argv[2] ?? '' }

const writer = await WalWriter.open(fs, config, 'orders', 0)
await writer.append(null, Buffer.from('imported'), [], 0)
await writer.close()

const reader = await WalReader.open(fs, config, 'orders', 0)
for await (const { offset, value } of reader.read()) console.log(`${offset} ${Buffer.from(value).toString()}`)
await reader.close()
