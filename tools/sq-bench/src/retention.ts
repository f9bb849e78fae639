/** The part `retention`: how long appends take while 300 segments of 1 MB are deleted beside them. */
import { SystemClock } from '@sq/sim'
import type { WalWriter } from '@sq/storage'
import { makeLog, openWriter } from './filled-log.ts'
import { decimals } from './markdown.ts'
import { inOrder, median, spread } from './measure.ts'
import type { Settings, Table } from './part.ts'

const SEGMENTS = 300
const SEGMENT_BYTES = 1_000_000
const VALUE = Buffer.alloc(256, 'value ')

const clock = new SystemClock()

/** The latencies of appends, in milliseconds. */
interface Latencies {
  readonly p99: number
  readonly longest: number
}

interface Round {
  readonly without: Latencies
  readonly beside: Latencies
  /** How long the deletion took. */
  readonly deletionMs: number
}

export async function* retention(directory: string, { rounds }: Settings): AsyncGenerator<Table> {
  const figures: Round[] = []
  for (let round = 0; round < rounds; round++) figures.push(await measure(`${directory}/${round}`))
  const ms = decimals(1, ' ms')
  const ratio = decimals(2, ' x')
  const row = (what: string, figure: (round: Round) => number, show = ms): string[] => {
    const all = figures.map(figure)
    return [what, show(median(all)), spread(all, show)]
  }
  const rows = [
    row('p99 of an append, without', ({ without }) => without.p99),
    row('p99 of an append, beside', ({ beside }) => beside.p99),
    row('beside / without', ({ without, beside }) => beside.p99 / without.p99, ratio),
    row('longest append, without', ({ without }) => without.longest),
    row('longest append, beside', ({ beside }) => beside.longest),
    row('the deletion', ({ deletionMs }) => deletionMs),
  ]
  const title = `Appends by one producer beside the deletion of ${SEGMENTS} segments of 1 MB`
  yield { title, columns: ['', 'median', 'rounds'], rows, figures }
}

async function measure(dataDir: string): Promise<Round> {
  const config = { dataDir, maxSegmentBytes: SEGMENT_BYTES }
  await makeLog(config, { valueBytes: 10_000, totalBytes: SEGMENTS * SEGMENT_BYTES, burst: 32 })
  const writer = await openWriter(config)
  const belowOffset = writer.nextOffset
  // The first append opens a segment, and is not measured.
  await writer.append({ value: VALUE })
  const began = clock.monotonic()
  let isDeleting = true
  const deletion = writer.deleteSegments({ belowOffset }).finally(() => {
    isDeleting = false
  })
  const beside = await appendWhile(writer, () => isDeleting)
  await deletion
  const deletionMs = clock.monotonic() - began
  const end = clock.monotonic() + deletionMs
  const without = await appendWhile(writer, () => clock.monotonic() < end)
  await writer.close()
  return { without, beside, deletionMs }
}

/** Appends one record after the other, at least once. */
async function appendWhile(writer: WalWriter, goesOn: () => boolean): Promise<Latencies> {
  const latencies: number[] = []
  do {
    const began = clock.monotonic()
    await writer.append({ value: VALUE })
    latencies.push(clock.monotonic() - began)
  } while (goesOn())
  const sorted = inOrder(latencies)
  return { p99: sorted[Math.floor(0.99 * sorted.length)] ?? Number.NaN, longest: sorted.at(-1) ?? Number.NaN }
}
