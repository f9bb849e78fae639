/** Reads a log of 10 GiB from its first record to its last: the memory it takes meanwhile. */
import { makeLog, openReader } from './filled-log.ts'
import { print } from './measure.ts'

const TOTAL_BYTES = 10 * 1024 ** 3
const VALUE_BYTES = 4096
const SAMPLES = 10

export async function memory(directory: string): Promise<void> {
  const config = { dataDir: directory }
  const records = await makeLog(config, { valueBytes: VALUE_BYTES, totalBytes: TOTAL_BYTES, burst: 256 })
  const reader = await openReader(config)
  const samples: string[] = []
  let seen = 0
  for await (const { value } of reader.read()) {
    if (value.length !== VALUE_BYTES) throw new Error(`a value of ${value.length} bytes`)
    seen++
    if (seen % Math.floor(records / SAMPLES) === 0) samples.push((process.memoryUsage.rss() / 1e6).toFixed(0))
  }
  print(`${seen} records read; resident memory in MB, at each tenth: ${samples.join(' ')}`)
}
