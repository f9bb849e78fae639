/** What memory the log takes: written at full speed for minutes, read from end to end, and flooded. */
import { SystemClock } from '@sq/sim'
import { WalError } from '@sq/storage'
import type { WalWriter } from '@sq/storage'
import { makeLog, openReader, openWriter } from '../filled-log.ts'
import { thousands } from '../markdown.ts'
import { median } from '../measure.ts'
import type { Settings, Table } from '../part.ts'
import { growthPerMinute, KINDS, sampling } from './sampling.ts'
import type { Sample } from './sampling.ts'

const PRODUCERS = 1024
const VALUE = Buffer.alloc(256, 'value ')
const SAMPLE_MS = 250
/** What is kept on disk meanwhile: looked after every so many records. */
const KEPT_BYTES = 1024 ** 3
const KEPT_RECORDS = 1_000_000
/** Before this share of the time memory still finds its level. */
const WARM_UP = 0.2

const READ_BYTES = 2 * 1024 ** 3
const READ_VALUE_BYTES = 4096
const FLOODED_MS = 20_000
/** So many appends are made before the event loop has its turn. */
const FLOOD = 1000

const clock = new SystemClock()

export async function* memory(directory: string, { minutes }: Settings): AsyncGenerator<Table> {
  yield await writing({ dataDir: `${directory}/written` }, minutes)
  yield await reading({ dataDir: `${directory}/read` })
  yield await flooding({ dataDir: `${directory}/flooded` })
}

/** Old segments are deleted, so that the disk does not fill. */
async function writing(config: { dataDir: string }, minutes: number): Promise<Table> {
  const writer = await openWriter(config)
  const endMs = clock.monotonic() + 60_000 * minutes
  const all = await sampling(SAMPLE_MS, async () => {
    let done = 0
    const produce = async (): Promise<void> => {
      while (clock.monotonic() < endMs) {
        await writer.append(null, VALUE, [], 0)
        if (++done % KEPT_RECORDS === 0) await writer.deleteSegments({ maxTotalBytes: KEPT_BYTES })
      }
    }
    await Promise.all(Array.from({ length: PRODUCERS }, produce))
  })
  const { records, bytes, deletions } = writer.stats()
  await writer.close()
  const what = `${thousands(records)} records, ${(bytes / 1e9).toFixed(1)} GB, ${thousands(deletions)} segments deleted`
  const title = `Memory in MB while ${thousands(PRODUCERS)} producers append for ${minutes} minutes: ${what}`
  return tableOf(title, all)
}

async function reading(config: { dataDir: string }): Promise<Table> {
  const filling = { valueBytes: READ_VALUE_BYTES, totalBytes: READ_BYTES, burst: 256 }
  const records = await makeLog(config, filling)
  const reader = await openReader(config)
  let seen = 0
  const samples = await sampling(SAMPLE_MS / 10, async () => {
    for await (const { value } of reader.read()) {
      if (value.length !== READ_VALUE_BYTES) throw new Error(`a value of ${value.length} bytes`)
      seen++
    }
  })
  if (seen !== records) throw new Error(`${seen} records were read of ${records}`)
  return tableOf(`Memory in MB while a log of ${(READ_BYTES / 1e9).toFixed(1)} GB is read from end to end`, samples)
}

/** A producer that never waits: `maxPendingBytes` must bound what lies in memory. */
async function flooding(config: { dataDir: string }): Promise<Table> {
  const maxPendingBytes = 64 * 1024 * 1024
  const writer = await openWriter({ ...config, maxPendingBytes })
  const counts = { acknowledged: 0, refused: 0, mostPendingBytes: 0 }
  const samples = await sampling(SAMPLE_MS, () => flood(writer, counts))
  await writer.close()
  const most = samples.reduce((sum, { rss }) => Math.max(sum, rss), 0)
  const rows = [
    ['appends acknowledged', thousands(counts.acknowledged)],
    ['appends refused', thousands(counts.refused)],
    ['most that was pending, bytes', thousands(counts.mostPendingBytes)],
    ['`maxPendingBytes`', thousands(maxPendingBytes)],
    ['most resident memory, MB', inMegabytes(most)],
  ]
  const title = `A producer that never waits, for ${FLOODED_MS / 1000} seconds`
  return { title, columns: ['', 'figure'], rows, figures: { ...counts, maxPendingBytes, samples } }
}

async function flood(
  writer: WalWriter,
  counts: { acknowledged: number; refused: number; mostPendingBytes: number },
): Promise<void> {
  const settled = (error?: unknown): void => {
    if (error === undefined) counts.acknowledged++
    else if (error instanceof WalError && error.code === 'SQ_WAL_BACKLOG_FULL') counts.refused++
    else throw error
  }
  let made = 0
  const endMs = clock.monotonic() + FLOODED_MS
  while (clock.monotonic() < endMs) {
    for (let i = 0; i < FLOOD; i++) void writer.append(null, VALUE, [], 0).then(() => settled(), settled)
    made += FLOOD
    counts.mostPendingBytes = Math.max(counts.mostPendingBytes, writer.stats().pendingBytes)
    await new Promise(setImmediate)
  }
  while (counts.acknowledged + counts.refused < made) await new Promise(setImmediate)
}

/** At each tenth of the time; the growth is that of a line fitted through all samples after the warm-up. */
function tableOf(title: string, samples: readonly Sample[]): Table {
  const counted = samples.filter((_, at) => at >= WARM_UP * samples.length)
  const rows = KINDS.map((kind) => {
    const tenths = Array.from({ length: 10 }, (_, tenth) => {
      const these = samples.filter((_sample, at) => Math.floor((10 * at) / samples.length) === tenth)
      return inMegabytes(median(these.map((sample) => sample[kind])))
    })
    return [kind, ...tenths, (growthPerMinute(counted, kind) / 1e6).toFixed(2)]
  })
  const tenths = Array.from({ length: 10 }, (_, tenth) => `${tenth + 1}/10`)
  return { title, columns: ['', ...tenths, 'growth a minute'], rows, figures: { samples } }
}

function inMegabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1)
}
