/** Many partitions with one producer each, beside as many files that are written durably through the same threads. */
import * as fs from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { SystemClock } from '@sq/sim'
import { WalWriter } from '@sq/storage'
import { fs as nodeFileSystem } from './filled-log.ts'
import { median, print } from './measure.ts'

const PARTITIONS = 1000
const ROUNDS = 5
const DURATION_MS = 3000
const VALUE = Buffer.alloc(256, 'value ')

/** Something that takes a value and calls back once it is durable. */
type Append = () => Promise<unknown>

const clock = new SystemClock()

interface Measured {
  readonly perSecond: number
  /** Of each partition the 99th percentile, in milliseconds, the smallest first. */
  readonly p99s: readonly number[]
}

export async function partitions(directory: string): Promise<void> {
  const shares: number[] = []
  const worst: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const place = join(directory, String(round))
    await mkdir(place, { recursive: true })
    const raw = await withFiles(place, measure)
    const ours = await withWriters(place, measure)
    shares.push(ours.perSecond / raw.perSecond)
    worst.push((ours.p99s.at(-1) ?? Number.NaN) / median(ours.p99s))
    print(`files ${raw.perSecond.toFixed(0)} a second, partitions ${ours.perSecond.toFixed(0)}; ${showLate(ours)}`)
  }
  const [share, late] = [shares, worst].map((figures) => median(sorted(figures)).toFixed(2))
  print(`${PARTITIONS} partitions append ${share} x what ${PARTITIONS} files take`)
  print(`the slowest one's p99 is ${late} x the median one's`)
}

function showLate({ p99s }: Measured): string {
  return `p99 ${median(p99s).toFixed(0)} ms, of the slowest ${(p99s.at(-1) ?? Number.NaN).toFixed(0)} ms`
}

/** All append at once, each one value after another. */
async function measure(appends: readonly Append[]): Promise<Measured> {
  const endMs = clock.monotonic() + DURATION_MS
  const beganMs = clock.monotonic()
  let count = 0
  const p99s = await Promise.all(
    appends.map(async (append) => {
      const latencies: number[] = []
      for (let nowMs = clock.monotonic(); nowMs < endMs; ) {
        const begunMs = nowMs
        await append()
        nowMs = clock.monotonic()
        latencies.push(nowMs - begunMs)
      }
      count += latencies.length
      const inOrder = sorted(latencies)
      return inOrder[Math.floor(0.99 * inOrder.length)] ?? Number.NaN
    }),
  )
  return { perSecond: (1000 * count) / (clock.monotonic() - beganMs), p99s: sorted(p99s) }
}

/** A record takes so many bytes more in a log. */
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
  // The first append makes the first segment.
  await Promise.all(writers.map((writer) => writer.append(null, VALUE, [], 0)))
  const measured = await use(writers.map((writer): Append => () => writer.append(null, VALUE, [], 0)))
  await Promise.all(writers.map((writer) => writer.close()))
  return measured
}

function sorted(values: readonly number[]): number[] {
  return values.toSorted((one, other) => one - other)
}
