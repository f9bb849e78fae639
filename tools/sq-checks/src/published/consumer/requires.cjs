// A first program in plain JavaScript, as CommonJS.
const { NodeFileSystem } = require('@sq/sim')
const { WalReader, WalWriter } = require('@sq/storage')

const fs = new NodeFileSystem()
const config = { dataDir: process.argv[2] ?? '' }

async function main() {
  const writer = await WalWriter.open(fs, config, 'orders', 0)
  await writer.append(null, Buffer.from('required'), [], 0)
  await writer.close()

  const reader = await WalReader.open(fs, config, 'orders', 0)
  for await (const { offset, value } of reader.read()) console.log(`${offset} ${Buffer.from(value).toString()}`)
  await reader.close()
}

void main()
