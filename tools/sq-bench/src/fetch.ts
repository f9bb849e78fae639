/**
 * The part `fetch`: answers to fetches at the tail of a log and in the middle, and a reader that begins at the tail.
 */
import { Random } from '@sq/sim'
import { WalReader, WalWriter } from '@sq/storage'
import type { FetchOptions } from '@sq/storage'
import { countReads } from './counted-reads.ts'
import type { CountedReads } from './counted-reads.ts'
import { fs, makeLog, PARTITION, TOPIC } from './filled-log.ts'
import { decimals, thousands } from './markdown.ts'
import { median, spread, timeOf } from './measure.ts'
import type { Settings, Table } from './part.ts'

const VALUE_BYTES = 1000
const TOTAL_BYTES = 256_000_000
/** Records per commit, as if 64 producers shared each. */
const BURST = 64
const REQUESTS = 2000
const RANDOM_REQUESTS = 300
const RESPONSE_BYTES = 65_536
/** Fetches that wait at the tail at the same time. */
const WAITING = 64
/** A log in one segment of about this size has its end far from its beginning. */
const SEGMENT_BYTES = 60_000_000

interface Fetching {
  readonly requests: number
  readonly timeMs: number
  readonly bytesRead: number
  readonly bytesDelivered: number
}

interface Beginning {
  readonly timeMs: number
  readonly bytesRead: number
}

/** A log that is open, and the bytes that its reader reads. */
interface Opened {
  readonly writer: WalWriter
  readonly reader: WalReader
  readonly reads: CountedReads
}

export async function* fetch(directory: string, { rounds }: Settings): AsyncGenerator<Table> {
  const config = { dataDir: directory }
  const records = await makeLog(config, { valueBytes: VALUE_BYTES, totalBytes: TOTAL_BYTES, burst: BURST })
  const log = await open(directory)
  const random = new Random(1)
  const kinds: [what: string, run: () => Promise<Fetching>][] = [
    ['at the tail, one waiting', () => atTheTail(log, 1)],
    [`at the tail, ${WAITING} waiting`, () => atTheTail(log, WAITING)],
    ['from the middle on, 64 KiB each', () => inSuccession(log, random.int(records / 2))],
    ['anywhere, 64 KiB each', () => anywhere(log, () => random.int(records))],
  ]
  const rows: string[][] = []
  const figures: Record<string, Fetching[]> = {}
  const readPerDelivered = decimals(2)
  for (const [what, run] of kinds) {
    const all: Fetching[] = []
    for (let round = 0; round < rounds; round++) all.push(await run())
    figures[what] = all
    const perSecond = all.map(({ requests, timeMs }) => (1000 * requests) / timeMs)
    const ratios = all.map(({ bytesRead, bytesDelivered }) => bytesRead / bytesDelivered)
    rows.push([what, thousands(median(perSecond)), spread(perSecond, thousands), readPerDelivered(median(ratios))])
  }
  await close(log)
  const columns = ['', 'fetches/s', 'rounds', 'bytes read per byte delivered']
  yield { title: `Fetches of one consumer`, columns, rows, figures }
  yield await beginning(`${directory}/beginning`, rounds)
}

async function open(dataDir: string): Promise<Opened> {
  const reads = countReads(fs)
  const writer = await WalWriter.open(fs, { dataDir }, TOPIC, PARTITION)
  return { writer, reader: await WalReader.open(reads.fs, { dataDir }, TOPIC, PARTITION), reads }
}

async function close({ writer, reader }: Opened): Promise<void> {
  await reader.close()
  await writer.close()
}

/** Measures the fetches that `run` makes, each by calling `request`. */
async function fetching(
  { reader, reads }: Opened,
  run: (request: (options: FetchOptions) => Promise<bigint>) => Promise<void>,
): Promise<Fetching> {
  let [requests, bytesDelivered, before] = [0, 0, reads.bytes()]
  const timeMs = await timeOf(() =>
    run(async (options) => {
      const { batches, nextOffset } = await reader.fetch(options)
      requests++
      for (const { bytes } of batches) bytesDelivered += bytes.length
      return nextOffset
    }),
  )
  return { requests, timeMs, bytesRead: reads.bytes() - before, bytesDelivered }
}

/** Each append answers all fetches that wait. */
function atTheTail(log: Opened, waiting: number): Promise<Fetching> {
  const value = Buffer.alloc(VALUE_BYTES, 'value ')
  return fetching(log, async (request) => {
    for (let made = 0; made < REQUESTS; made += waiting) {
      const from = log.writer.nextOffset
      const answered = Array.from({ length: waiting }, () => request({ from, maxWaitMs: Infinity }))
      await log.writer.append({ value })
      await Promise.all(answered)
    }
  })
}

function inSuccession(log: Opened, first: number): Promise<Fetching> {
  return fetching(log, async (request) => {
    let from = BigInt(first)
    for (let made = 0; made < REQUESTS / 2; made++) from = await request({ from, maxBytes: RESPONSE_BYTES })
  })
}

function anywhere(log: Opened, place: () => number): Promise<Fetching> {
  return fetching(log, async (request) => {
    for (let made = 0; made < RANDOM_REQUESTS; made++) {
      await request({ from: BigInt(place()), maxBytes: RESPONSE_BYTES })
    }
  })
}

async function beginning(dataDir: string, rounds: number): Promise<Table> {
  await makeLog({ dataDir }, { valueBytes: VALUE_BYTES, totalBytes: SEGMENT_BYTES, burst: BURST })
  const value = Buffer.alloc(VALUE_BYTES, 'value ')
  const figures: Beginning[] = []
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    const log = await open(dataDir)
    const timeMs = await timeOf(async () => {
      const first = log.reader.read({ from: log.writer.nextOffset, follow: true }).next()
      await log.writer.append({ value })
      await first
    })
    if (round > 0) figures.push({ timeMs, bytesRead: log.reads.bytes() })
    await close(log)
  }
  const ms = decimals(2)
  const times = figures.map(({ timeMs }) => timeMs)
  const bytes = figures.map(({ bytesRead }) => bytesRead)
  const rows = [
    [
      'from the beginning of the reading to the first record, with its append, ms',
      ms(median(times)),
      spread(times, ms),
    ],
    ['bytes read', thousands(median(bytes)), spread(bytes, thousands)],
  ]
  const title = `A reader that begins at the tail of a segment of ${SEGMENT_BYTES / 1e6} MB, beside its writer`
  return { title, columns: ['', 'median', 'rounds'], rows, figures }
}
