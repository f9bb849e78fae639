/** How long it takes from the end of a segment until it is archived. */
import { join } from 'node:path'
import { Archiver } from '@sq/archive'
import { SystemClock } from '@sq/sim'
import { WalWriter } from '@sq/storage'
import { fs, PARTITION, TOPIC } from '../filled-log.ts'
import { inOrder, median, timeOf } from '../measure.ts'
import type { Table } from '../part.ts'
import type { Contender } from './contender.ts'
import { MS, RATIO, rowOf } from './rounds.ts'

const SEGMENTS = 100
/** Each segment is one commit. */
const VALUE = Buffer.alloc(1_000_000, 'value ')

const clock = new SystemClock()

/** In milliseconds. */
interface Times {
  readonly median: number
  readonly p99: number
}

interface Figures {
  /** From the end of a segment until it is archived. */
  readonly archived: Times
  /** The same bytes, stored without a log. */
  readonly raw: Times
}

export async function timeToArchive(contender: Contender, directory: string, rounds: number): Promise<Table> {
  const figures: Figures[] = []
  for (let round = 0; round < rounds; round++) {
    figures.push(await measure(contender, join(directory, String(round))))
  }
  const { raw, store } = contender.names
  const rows = [
    rowOf(figures, 'archived, median', ({ archived }) => archived.median, MS),
    rowOf(figures, 'archived, p99', ({ archived }) => archived.p99, MS),
    rowOf(figures, `stored by ${raw}, median`, (found) => found.raw.median, MS),
    rowOf(figures, `stored by ${raw}, p99`, (found) => found.raw.p99, MS),
    rowOf(figures, 'archived / stored, median', ({ archived, raw: { median: ms } }) => archived.median / ms, RATIO),
  ]
  const title = `${store}: from the end of a segment of 1 MB until it is archived, ${SEGMENTS} segments`
  return { title, columns: ['', 'median', 'rounds'], rows, figures }
}

/** The segments take turns with the same bytes that are stored without a log. */
async function measure({ store, raw }: Contender, dataDir: string): Promise<Figures> {
  let endedMs = 0
  const archiver = new Archiver(fs, { dataDir }, store, { prefix: 'time-to-archive' })
  const writer = await WalWriter.open(fs, { dataDir }, TOPIC, PARTITION, {
    onSegmentClosed(segment) {
      endedMs = clock.monotonic()
      archiver.onSegmentClosed(segment)
    },
  })
  const log = archiver.attach(writer, TOPIC, PARTITION)
  const [archived, stored]: [number[], number[]] = [[], []]
  for (let made = 0; made < SEGMENTS; made++) {
    const offset = await writer.append({ value: VALUE })
    const segment = await writer.closeActiveSegment()
    await log.waitArchived(offset)
    archived.push(clock.monotonic() - endedMs)
    if (segment === null) throw new Error('there is no segment')
    const key = `time-to-store/${made}`
    stored.push(await timeOf(() => raw.put(key, segment.path, segment.bytes)))
    await store.delete(key)
  }
  await archiver.close()
  await writer.close()
  for await (const { key } of store.list('time-to-archive/')) await store.delete(key)
  return { archived: timesOf(archived), raw: timesOf(stored) }
}

function timesOf(all: readonly number[]): Times {
  return { median: median(all), p99: inOrder(all)[Math.floor(0.99 * all.length)] ?? Number.NaN }
}
