/** The part `replay`: reads a whole log, record by record, by commits, and by commits with their records. */
import type { WalReader } from '@sq/storage'
import { makeLog, openReader } from './filled-log.ts'
import { decimals } from './markdown.ts'
import { median, spread, timeOf } from './measure.ts'
import type { Settings, Table } from './part.ts'

/** Each burst is a commit of 1 MB. */
const SIZES = [
  { valueBytes: 4096, totalBytes: 1_000_000_000, burst: 256 },
  { valueBytes: 100, totalBytes: 300_000_000, burst: 10_000 },
] as const

const WAYS: { readonly [how: string]: (reader: WalReader) => Promise<unknown> } = {
  'read()': async (reader) => {
    let seen = 0
    for await (const { value } of reader.read()) seen += value?.length ?? 0
    return seen
  },
  'readBatches()': async (reader) => {
    let seen = 0
    for await (const { bytes } of reader.readBatches()) seen += bytes.length
    return seen
  },
  'readBatches() and their records()': async (reader) => {
    let seen = 0
    for await (const batch of reader.readBatches()) for (const { value } of batch.records()) seen += value?.length ?? 0
    return seen
  },
}

export async function* replay(directory: string, { rounds }: Settings): AsyncGenerator<Table> {
  const show = decimals(2)
  const figures: unknown[] = []
  const rows: string[][] = []
  for (const size of SIZES) {
    const config = { dataDir: `${directory}/${size.valueBytes}` }
    const records = await makeLog(config, size)
    const reader = await openReader(config)
    const ways = Object.entries(WAYS).map(([how, read]) => ({ how, read, timesMs: Array<number>() }))
    for (let round = 0; round < rounds; round++) {
      for (const { read, timesMs } of ways) timesMs.push(await timeOf(() => read(reader)))
    }
    for (const { how, timesMs } of ways) {
      const rates = timesMs.map((ms) => records / ms / 1000)
      const gigabytes = (median(rates) * size.valueBytes) / 1000
      rows.push([how, String(size.valueBytes), show(median(rates)), spread(rates, show), show(gigabytes)])
      figures.push({ how, valueBytes: size.valueBytes, records, timesMs })
    }
  }
  const columns = ['', 'value bytes', 'M records/s', 'rounds', 'GB/s of values']
  yield { title: 'Reading a whole log', columns, rows, figures }
}
