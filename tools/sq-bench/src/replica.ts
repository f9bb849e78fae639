/**
 * The part `replica`: the processor time that a replica takes for each MB, compared with checking and writing the same
 * bytes without a log, and with appending the same records.
 */
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { EncodedBatch, RecordInput } from '@sq/storage'
import { openReader, openWriter } from './filled-log.ts'
import { decimals } from './markdown.ts'
import { median, spread } from './measure.ts'
import type { Settings, Table } from './part.ts'

const TOTAL_BYTES = 200_000_000
const RECORDS_EACH = 100
const SIZES = [100, 1000]
/** Batches of each write, as if they had arrived during the one before. */
const GATHERED = 20

/** Processor milliseconds for each MB of batches. */
interface Round {
  readonly bare: number
  readonly leader: number
  readonly replica: number
}

export async function* replica(directory: string, { rounds }: Settings): AsyncGenerator<Table> {
  const rows: string[][] = []
  const figures: Record<string, Round[]> = {}
  for (const valueBytes of SIZES) {
    const all: Round[] = []
    // The first round warms up.
    for (let round = 0; round <= rounds; round++) {
      const measured = await measure(join(directory, `${valueBytes}-${round}`), valueBytes)
      if (round > 0) all.push(measured)
    }
    const kind = `values of ${valueBytes} bytes`
    figures[kind] = all
    const [ms, ratio] = [decimals(2, ' ms/MB'), decimals(2, ' x')]
    const row = (what: string, figure: (round: Round) => number, show = ms): void => {
      rows.push([`${what}, ${kind}`, show(median(all.map(figure))), spread(all.map(figure), show)])
    }
    row('check and write, without a log', ({ bare }) => bare)
    row('leader', ({ leader }) => leader)
    row('replica', ({ replica: itself }) => itself)
    row('replica / check and write', ({ bare, replica: itself }) => itself / bare, ratio)
    row('replica / leader', ({ leader, replica: itself }) => itself / leader, ratio)
  }
  const title = `Processor time for ${TOTAL_BYTES / 1e6} MB of values, in batches of ${RECORDS_EACH} records, ${GATHERED} in a write`
  yield { title, columns: ['', 'median', 'rounds'], rows, figures }
}

async function measure(directory: string, valueBytes: number): Promise<Round> {
  const leaderConfig = { dataDir: join(directory, 'leader') }
  const writer = await openWriter(leaderConfig)
  const value = Buffer.alloc(valueBytes, 'value ')
  const records: RecordInput[] = Array.from({ length: RECORDS_EACH }, () => ({ value, timestampMs: 0 }))
  const metadata = Buffer.from('epoch 1')
  const batchCount = TOTAL_BYTES / valueBytes / RECORDS_EACH
  const leaderMs = await processorMs(async () => {
    for (let made = 0; made < batchCount; made += GATHERED) {
      await Promise.all(Array.from({ length: GATHERED }, () => writer.appendBatch(records, { metadata })))
    }
  })
  await writer.close()
  const batches = await readAll(leaderConfig)
  const mb = batches.reduce((sum, { bytes }) => sum + bytes.length, 0) / 1e6
  const replicaMs = await appendAll(join(directory, 'replica'), batches)
  const bareMs = await writeBare(join(directory, 'bare'), batches)
  return { bare: bareMs / mb, leader: leaderMs / mb, replica: replicaMs / mb }
}

async function readAll(config: { readonly dataDir: string }): Promise<EncodedBatch[]> {
  const reader = await openReader(config)
  const batches: EncodedBatch[] = []
  for await (const { baseOffset, recordCount, attributes, checksum, bytes } of reader.readBatches()) {
    // A copy of its own, as if it had come over a network.
    batches.push({ baseOffset, recordCount, attributes, checksum, bytes: Buffer.from(bytes) })
  }
  await reader.close()
  return batches
}

/** As a replica does it: those that have arrived are appended together, and checked by the log. */
async function appendAll(dataDir: string, batches: readonly EncodedBatch[]): Promise<number> {
  const writer = await openWriter({ dataDir })
  const ms = await processorMs(async () => {
    for (let at = 0; at < batches.length; at += GATHERED) {
      await writer.appendEncoded(batches.slice(at, at + GATHERED))
    }
  })
  await writer.close()
  return ms
}

/** The same bytes and writes, into a plain file: checksum, one write of all, one sync. */
async function writeBare(path: string, batches: readonly EncodedBatch[]): Promise<number> {
  const file = await open(path, 'w')
  const ms = await processorMs(async () => {
    for (let at = 0; at < batches.length; at += GATHERED) {
      const gathered = batches.slice(at, at + GATHERED)
      for (const { bytes, checksum } of gathered) {
        if (crc32(bytes) !== checksum) throw new Error('a batch has another checksum than it states')
      }
      await file.writev(gathered.map(({ bytes }) => bytes))
      await file.datasync()
    }
  })
  await file.close()
  return ms
}

/** Processor time of the whole process, with its thread pool. */
async function processorMs(work: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}
