/** The part `partitions`: 1,000 partitions with one producer each, compared with as many plain files with `O_DSYNC`. */
import * as fs from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { SystemClock } from '@sq/sim'
import { WalWriter } from '@sq/storage'
import { fs as nodeFileSystem } from './filled-log.ts'
import { decimals, thousands } from './markdown.ts'
import { inOrder, median, spread } from './measure.ts'
import type { Settings, Table } from './part.ts'

const PARTITIONS = 1000
const DURATION_MS = 3000
const VALUE = Buffer.alloc(256, 'value ')

/** Appends a value. Resolves once it is durable. */
type Append = () => Promise<unknown>

const clock = new SystemClock()

interface Measured {
  readonly perSecond: number
  /** The 99th percentile of each partition, in milliseconds, in ascending order. */
  readonly p99s: readonly number[]
}

export async function* partitions(directory: string, { rounds }: Settings): AsyncGenerator<Table> {
  const figures: { raw: Measured; ours: Measured }[] = []
  for (let round = 0; round < rounds; round++) {
    const place = join(directory, String(round))
    await mkdir(place, { recursive: true })
    const raw = await withFiles(place, measure)
    figures.push({ raw, ours: await withWriters(place, measure) })
    await rm(place, { recursive: true })
  }
  const ratio = decimals(2, ' x')
  const rows = [
    row(
      'files, values/s',
      figures.map(({ raw }) => raw.perSecond),
      thousands,
    ),
    row(
      'partitions, values/s',
      figures.map(({ ours }) => ours.perSecond),
      thousands,
    ),
    row(
      'partitions / files',
      figures.map(({ raw, ours }) => ours.perSecond / raw.perSecond),
      ratio,
    ),
    row(
      "the median partition's p99, ms",
      figures.map(({ ours }) => median(ours.p99s)),
      thousands,
    ),
    row(
      "the slowest one's p99 / the median's",
      figures.map(({ ours }) => worst(ours) / median(ours.p99s)),
      ratio,
    ),
  ]
  const title = `${thousands(PARTITIONS)} partitions, compared with as many plain files`
  const kept = figures.map(({ raw, ours }) => ({ raw: summaryOf(raw), ours: summaryOf(ours) }))
  yield { title, columns: ['', 'median', 'rounds'], rows, figures: kept }
}

function row(what: string, all: readonly number[], show: (figure: number) => string): string[] {
  return [what, show(median(all)), spread(all, show)]
}

function summaryOf(measured: Measured): unknown {
  return { perSecond: measured.perSecond, medianP99Ms: median(measured.p99s), worstP99Ms: worst(measured) }
}

function worst({ p99s }: Measured): number {
  return p99s.at(-1) ?? Number.NaN
}

/** All append at the same time, each one value after the other. */
async function measure(appends: readonly Append[]): Promise<Measured> {
  const endMs = clock.monotonic() + DURATION_MS
  const beganMs = clock.monotonic()
  let count = 0
  const p99s = await Promise.all(
    appends.map(async (append) => {
      const latencies: number[] = []
      for (let nowMs = clock.monotonic(); nowMs < endMs;) {
        const begunMs = nowMs
        await append()
        nowMs = clock.monotonic()
        latencies.push(nowMs - begunMs)
      }
      count += latencies.length
      const sorted = inOrder(latencies)
      return sorted[Math.floor(0.99 * sorted.length)] ?? Number.NaN
    }),
  )
  return { perSecond: (1000 * count) / (clock.monotonic() - beganMs), p99s: inOrder(p99s) }
}

/** How many bytes more a record takes in a log than in a plain file. */
const FRAME_BYTES = 64

async function withFiles(place: string, use: (appends: readonly Append[]) => Promise<Measured>): Promise<Measured> {
  await mkdir(join(place, 'files'))
  const bytes = Buffer.concat([VALUE, Buffer.alloc(FRAME_BYTES)])
  const files = Array.from({ length: PARTITIONS }, (_, at) =>
    fs.openSync(join(place, 'files', String(at)), fs.constants.O_CREAT | fs.constants.O_WRONLY | fs.constants.O_DSYNC),
  )
  const appends = files.map((file): Append => {
    let position = 0
    return () =>
      new Promise<void>((resolve, reject) => {
        fs.write(file, bytes, 0, bytes.length, position, (error) => (error === null ? resolve() : reject(error)))
        position += bytes.length
      })
  })
  const measured = await use(appends)
  for (const file of files) fs.closeSync(file)
  return measured
}

async function withWriters(place: string, use: (appends: readonly Append[]) => Promise<Measured>): Promise<Measured> {
  const config = { dataDir: join(place, 'logs') }
  const writers: WalWriter[] = []
  for (let at = 0; at < PARTITIONS; at++) writers.push(await WalWriter.open(nodeFileSystem, config, 'bench', at))
  // The first append creates the first segment.
  await Promise.all(writers.map((writer) => writer.append(null, VALUE, [], 0)))
  const measured = await use(
    writers.map(
      (writer): Append =>
        () =>
          writer.append(null, VALUE, [], 0),
    ),
  )
  await Promise.all(writers.map((writer) => writer.close()))
  return measured
}
