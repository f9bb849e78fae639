/** Reads a whole log with all checks: record by record, whole commits, and the records of commits. */
import { makeLog, openReader } from './filled-log.ts'
import { printRate, rounds } from './measure.ts'

/** Commits of 1 MB. */
const SIZES = [
  { valueBytes: 4096, totalBytes: 1_000_000_000, burst: 256 },
  { valueBytes: 100, totalBytes: 300_000_000, burst: 10_000 },
] as const

export async function replay(directory: string): Promise<void> {
  for (const size of SIZES) {
    const config = { dataDir: `${directory}-${size.valueBytes}` }
    const records = await makeLog(config, size)
    const reader = await openReader(config)
    const read = {
      'read()': async () => {
        let seen = 0
        for await (const { value } of reader.read()) seen += value.length
        return seen
      },
      'readBatches()': async () => {
        let seen = 0
        for await (const { bytes } of reader.readBatches()) seen += bytes.length
        return seen
      },
      'readBatches() and their records()': async () => {
        let seen = 0
        for await (const batch of reader.readBatches()) for (const { value } of batch.records()) seen += value.length
        return seen
      },
    }
    for (const [how, work] of Object.entries(read)) {
      printRate(`${how}, values of ${size.valueBytes} bytes`, await rounds(work), { records, bytes: size.totalBytes })
    }
  }
}
