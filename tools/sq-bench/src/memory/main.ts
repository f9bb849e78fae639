/**
 * The part `memory`: the memory of a process that appends at full speed for minutes, that reads a whole log, and that
 * appends without waiting.
 */
import { rm } from 'node:fs/promises'
import { SystemClock } from '@sq/sim'
import { WalError } from '@sq/storage'
import type { WalConfig, WalWriter } from '@sq/storage'
import { makeLog, openReader, openWriter } from '../filled-log.ts'
import { thousands } from '../markdown.ts'
import { median } from '../measure.ts'
import type { Settings, Table } from '../part.ts'
import { growthPerMinute, KINDS, sampling } from './sampling.ts'
import type { Sample } from './sampling.ts'

const PRODUCERS = 1024
const VALUE = Buffer.alloc(256, 'value ')
const SAMPLE_MS = 1000
/** Old segments are deleted down to this size, so that the disk does not fill. */
const RETAINED_BYTES = 1024 ** 3
const RECORDS_BETWEEN_DELETIONS = 1_000_000
/** The growth of memory is measured after this share of the time. */
const WARM_UP_SHARE = 0.2

const READ_BYTES = 2 * 1024 ** 3
const READ_VALUE_BYTES = 4096
const FLOODED_MS = 10_000
/** Appends per turn of the event loop: more than the disk can take in that time. */
const FLOOD = 10_000

const clock = new SystemClock()

export async function* memory(directory: string, { minutes }: Settings): AsyncGenerator<Table> {
  const works = [(config: WalConfig) => writing(config, minutes), reading, flooding]
  for (const work of works) {
    yield await work({ dataDir: directory })
    // Each of them takes gigabytes of disk space.
    await rm(directory, { recursive: true })
  }
}

/** Many producers append at full speed. The table has the growth per minute after the warm-up. */
async function writing(config: WalConfig, minutes: number): Promise<Table> {
  const writer = await openWriter(config)
  const endMs = clock.monotonic() + 60_000 * minutes
  const all = await sampling(SAMPLE_MS, async () => {
    let done = 0
    const produce = async (): Promise<void> => {
      while (clock.monotonic() < endMs) {
        await writer.append(null, VALUE, [], 0)
        if (++done % RECORDS_BETWEEN_DELETIONS === 0) await writer.deleteSegments({ maxTotalBytes: RETAINED_BYTES })
      }
    }
    await Promise.all(Array.from({ length: PRODUCERS }, produce))
  })
  const { records, bytes, deletions } = writer.stats()
  await writer.close()
  const what = `${thousands(records)} records, ${(bytes / 1e9).toFixed(1)} GB, ${thousands(deletions)} segments deleted`
  const title = `Memory in MB while ${thousands(PRODUCERS)} producers append for ${minutes} minutes: ${what}`
  const counted = all.filter((_, at) => at >= WARM_UP_SHARE * all.length)
  const table = tableOf(title, all)
  const rows = KINDS.map((kind, at) => [...(table.rows[at] ?? []), inMegabytes(growthPerMinute(counted, kind))])
  return { ...table, columns: [...table.columns, 'growth per minute'], rows }
}

async function reading(config: WalConfig): Promise<Table> {
  const filling = { valueBytes: READ_VALUE_BYTES, totalBytes: READ_BYTES, burst: 256 }
  const records = await makeLog(config, filling)
  const reader = await openReader(config)
  let seen = 0
  const samples = await sampling(SAMPLE_MS / 20, async () => {
    for await (const { value } of reader.read()) {
      if (value?.length !== READ_VALUE_BYTES) throw new Error(`a value of ${value?.length} bytes`)
      seen++
    }
  })
  if (seen !== records) throw new Error(`${seen} records were read of ${records}`)
  return tableOf(`Memory in MB while a log of ${(READ_BYTES / 1e9).toFixed(1)} GB is read from end to end`, samples)
}

/** A producer that never waits. Throws an error if more than `maxPendingBytes` are pending. */
async function flooding(config: WalConfig): Promise<Table> {
  const maxPendingBytes = 64 * 1024 * 1024
  const writer = await openWriter({ ...config, maxPendingBytes })
  const counts = { acknowledged: 0, refused: 0, mostPendingBytes: 0 }
  const samples = await sampling(SAMPLE_MS / 4, () => flood(writer, counts))
  await writer.close()
  if (counts.mostPendingBytes > maxPendingBytes) throw new Error(`${counts.mostPendingBytes} bytes were pending`)
  if (counts.refused === 0)
    throw new Error(`no append was refused: at most ${counts.mostPendingBytes} bytes were pending`)
  const most = samples.reduce((sum, { rss }) => Math.max(sum, rss), 0)
  const rows = [
    ['appends acknowledged', thousands(counts.acknowledged)],
    ['appends refused', thousands(counts.refused)],
    ['maximum pending bytes', thousands(counts.mostPendingBytes)],
    ['`maxPendingBytes`', thousands(maxPendingBytes)],
    ['maximum resident memory, MB', inMegabytes(most)],
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

/** The median of each tenth of the time. */
function tableOf(title: string, samples: readonly Sample[]): Table {
  const rows = KINDS.map((kind) => {
    const tenths = Array.from({ length: 10 }, (_, tenth) => {
      const these = samples.filter((_sample, at) => Math.floor((10 * at) / samples.length) === tenth)
      return inMegabytes(median(these.map((sample) => sample[kind])))
    })
    return [kind, ...tenths]
  })
  const tenths = Array.from({ length: 10 }, (_, tenth) => `${tenth + 1}/10`)
  return { title, columns: ['', ...tenths], rows, figures: { samples } }
}

function inMegabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(2)
}
