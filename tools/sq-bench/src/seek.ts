/** The part `seek`: the time to find one record by offset and by time, in logs of different sizes. */
import { Random } from '@sq/sim'
import { makeLog, openReader } from './filled-log.ts'
import { inOrder, median, timeOf } from './measure.ts'
import type { Table } from './part.ts'

const SEEKS = 300
const VALUE_BYTES = 1000
/** Records per commit, as if 64 producers shared each. */
const BURST = 64
const SIZES = [64_000_000, 1_073_741_824]

export async function* seek(directory: string): AsyncGenerator<Table> {
  const figures: unknown[] = []
  const rows: string[][] = []
  for (const totalBytes of SIZES) {
    const config = { dataDir: `${directory}/${totalBytes}` }
    const records = await makeLog(config, { valueBytes: VALUE_BYTES, totalBytes, burst: BURST })
    const reader = await openReader(config)
    const random = new Random(1)
    const by = {
      offset: (place: number) => ({ from: BigInt(place) }),
      time: (place: number) => ({ fromTimestampMs: place }),
    }
    for (const [what, options] of Object.entries(by)) {
      const timesMs: number[] = []
      const before = process.cpuUsage()
      for (let i = 0; i < SEEKS; i++) {
        const place = random.int(records)
        timesMs.push(
          await timeOf(async () => {
            for await (const { offset } of reader.read(options(place))) {
              if (offset !== BigInt(place)) throw new Error(`found ${offset}, looked for ${place}`)
              break
            }
          }),
        )
      }
      const { user, system } = process.cpuUsage(before)
      const processorMs = (user + system) / SEEKS / 1000
      const p99 = inOrder(timesMs)[Math.floor(0.99 * SEEKS)] ?? Number.NaN
      const shown = [timesMs[0] ?? Number.NaN, median(timesMs), p99, processorMs].map((ms) => ms.toFixed(2))
      rows.push([`by ${what} in ${(totalBytes / 1e6).toFixed(0)} MB`, ...shown])
      figures.push({ by: what, totalBytes, records, timesMs, processorMs })
    }
  }
  const columns = ['', 'first ms', 'median', 'p99', 'processor ms each']
  yield { title: `Finding one record, ${SEEKS} times`, columns, rows, figures }
}
