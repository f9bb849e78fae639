/** Measures a disk and the log on it. */
import { randomBytes } from 'node:crypto'
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import { mkdtemp, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { NodeFileSystem, SystemClock } from '@sq/sim'
import { WalWriter } from '@sq/storage'
import { CommandError } from '../command-error.ts'
import { catchInterruption, Interruption } from '../interruption.ts'
import { MAX_RECORD_BYTES } from '../limits.ts'
import { messageOf } from '../message-of.ts'
import { counted, formatCount, printLines, writeJson, writeTable } from '../output.ts'
import { progressBar } from '../progress.ts'
import type { ProgressBar } from '../progress.ts'
import { UsageError } from '../usage-error.ts'
import { classesOf, drawHistogram, percentile } from './histogram.ts'

export interface BenchOptions {
  readonly seconds: number
  readonly valueBytes: number
  readonly json?: boolean
}

const IN_FLIGHT = [1, 8, 64, 1024]
/** The limit on bytes in flight, well below the default of `maxPendingBytes`. */
const MAX_BYTES_IN_FLIGHT = 32 * 1024 * 1024
/** A measurement ends when it has written this many bytes, or this share of the free space. */
const MAX_BYTES_WRITTEN = 4_000_000_000
const SHARE_OF_FREE = 0.25
/** The most bytes that a record takes on disk in addition to its value. */
const OVERHEAD_BYTES = 128
const PERCENTILES = [50, 99, 99.9, 100]

interface Measured {
  readonly what: 'write + fdatasync' | 'log'
  readonly inFlight: number
  readonly records: number
  readonly elapsedMs: number
  /** The latency of each record, sorted. */
  readonly latenciesMs: Float64Array
}

/** The parameters of a measurement. */
interface Surroundings {
  readonly directory: string
  readonly value: Buffer
  /** The measurement ends after this time, or after this many bytes. */
  readonly durationMs: number
  readonly maxBytes: number
  readonly signal: AbortSignal
  /** Called repeatedly with the elapsed time. */
  readonly onElapsed: (elapsedMs: number) => void
}

const clock = new SystemClock()

/** Resolves with the exit status. */
export async function bench(parent: string, { seconds, valueBytes, json = false }: BenchOptions): Promise<number> {
  if (valueBytes > MAX_RECORD_BYTES)
    throw new UsageError(`--value-bytes is ${valueBytes}; the maximum size of a record is ${MAX_RECORD_BYTES} bytes`)
  const inFlight = IN_FLIGHT.filter((appends) => appends === 1 || appends * valueBytes <= MAX_BYTES_IN_FLIGHT)
  using interruption = catchInterruption()
  const { signal } = interruption
  const directory = await mkdtemp(join(parent, 'sq-wal-bench-')).catch((error: unknown) => {
    throw new CommandError(`cannot create a temporary directory for the measurement: ${messageOf(error)}`)
  })
  const durationMs = 1000 * seconds
  const maxBytes = await spaceIn(directory)
  const bar = await progressBar('measuring', { total: durationMs * (1 + inFlight.length), format: null })
  try {
    const value = randomBytes(valueBytes)
    const measured = await measureAll(inFlight, { directory, value, durationMs, maxBytes, signal }, bar)
    bar.stop()
    if (json) await writeJson(measured.map((each) => summaryOf(each, valueBytes)))
    else await write(measured, { directory: parent, valueBytes })
    return 0
  } catch (error) {
    if (signal.reason instanceof Interruption) return signal.reason.exitStatus
    throw new CommandError(`the measurement in ${parent} failed: ${messageOf(error)}`)
  } finally {
    bar.stop()
    await rm(directory, { recursive: true })
  }
}

/** How many bytes a measurement may write there. */
async function spaceIn(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory)
  return Math.min(SHARE_OF_FREE * bavail * bsize, MAX_BYTES_WRITTEN)
}

async function measureAll(
  inFlight: readonly number[],
  surroundings: Omit<Surroundings, 'onElapsed'>,
  bar: ProgressBar,
): Promise<readonly [Measured, ...Measured[]]> {
  let done = 0
  const onElapsed = (elapsedMs: number): void => bar.reached(done + Math.min(elapsedMs, surroundings.durationMs))
  const raw = await measureDisk({ ...surroundings, onElapsed })
  const logs: Measured[] = []
  for (const appends of inFlight) {
    done += surroundings.durationMs
    logs.push(await measureLog(appends, { ...surroundings, onElapsed }))
  }
  return [raw, ...logs]
}

/** Appends to a file and calls fdatasync, one value after another. */
async function measureDisk(surroundings: Surroundings): Promise<Measured> {
  const { directory, value, durationMs, maxBytes, signal, onElapsed } = surroundings
  const path = join(directory, 'raw')
  const file = openSync(path, 'wx')
  const latencies: number[] = []
  const startMs = clock.monotonic()
  let nowMs = startMs
  try {
    while (nowMs - startMs < durationMs && latencies.length * (value.length + OVERHEAD_BYTES) < maxBytes) {
      const begunMs = nowMs
      // Without a write, fdatasync would have nothing to do.
      writeSync(file, value.length > 0 ? value : Buffer.from('\n'))
      fdatasyncSync(file)
      nowMs = clock.monotonic()
      latencies.push(nowMs - begunMs)
      if (latencies.length % 100 === 0) await setImmediate()
      signal.throwIfAborted()
      onElapsed(nowMs - startMs)
    }
  } finally {
    closeSync(file)
    await rm(path)
  }
  return resultOf('write + fdatasync', { inFlight: 1, latencies, elapsedMs: nowMs - startMs })
}

/** Runs `inFlight` producers, each of which waits for its acknowledgement before its next append. */
async function measureLog(
  inFlight: number,
  { directory, value, durationMs, maxBytes, signal, onElapsed }: Surroundings,
): Promise<Measured> {
  const latencies: number[] = []
  const writer = await WalWriter.open(new NodeFileSystem(), { dataDir: directory }, 'bench', 0)
  // The first append creates the first segment.
  await writer.append(null, value, [], clock.now())
  const startMs = clock.monotonic()
  const produce = async (): Promise<void> => {
    for (let nowMs = clock.monotonic(); nowMs - startMs < durationMs && !signal.aborted;) {
      if (latencies.length * (value.length + OVERHEAD_BYTES) >= maxBytes) return
      const begunMs = nowMs
      await writer.append(null, value, [], clock.now())
      nowMs = clock.monotonic()
      latencies.push(nowMs - begunMs)
      onElapsed(nowMs - startMs)
    }
  }
  let elapsedMs = 0
  try {
    await Promise.all(Array.from({ length: inFlight }, produce))
    elapsedMs = clock.monotonic() - startMs
  } finally {
    await writer.close()
    await rm(join(directory, 'bench'), { recursive: true })
  }
  signal.throwIfAborted()
  return resultOf('log', { inFlight, latencies, elapsedMs })
}

function resultOf(
  what: Measured['what'],
  { inFlight, latencies, elapsedMs }: { inFlight: number; latencies: number[]; elapsedMs: number },
): Measured {
  return { what, inFlight, records: latencies.length, elapsedMs, latenciesMs: Float64Array.from(latencies).toSorted() }
}

async function write(
  measured: readonly [Measured, ...Measured[]],
  { directory, valueBytes }: { directory: string; valueBytes: number },
): Promise<void> {
  await printLines([[`values of ${counted(valueBytes, 'byte')}, in ${directory}`], []])
  const right = { align: 'right' } as const
  await writeTable(
    [
      { title: '' },
      { title: 'IN FLIGHT', ...right },
      { title: 'RECORDS/S', ...right },
      { title: 'MB/S', ...right },
      ...['P50 MS', 'P99 MS', 'P99.9 MS', 'MAX MS'].map((title) => ({ title, ...right })),
    ],
    measured.map(({ what, inFlight, records, elapsedMs, latenciesMs }) => [
      what,
      formatCount(inFlight),
      formatCount(Math.round((1000 * records) / elapsedMs)),
      ((records * valueBytes) / elapsedMs / 1000).toFixed(2),
      ...PERCENTILES.map((percent) => percentile(latenciesMs, percent).toFixed(2)),
    ]),
  )
  for (const { what, inFlight, latenciesMs } of measured) {
    if (inFlight > 1) continue
    await printLines([[], [`${what}, 1 in flight: latency of a record`]])
    await printLines(drawHistogram(latenciesMs, process.stdout.columns || 80).map((line) => [line]))
  }
}

function summaryOf({ what, inFlight, records, elapsedMs, latenciesMs }: Measured, valueBytes: number): object {
  const [p50, p99, p999, max] = PERCENTILES.map((percent) => percentile(latenciesMs, percent))
  const recordsPerSecond = (1000 * records) / elapsedMs
  const rates = { recordsPerSecond, bytesPerSecond: recordsPerSecond * valueBytes }
  const histogram = classesOf(latenciesMs).map(({ fromUs, count }) => ({ fromUs, toUs: 2 * fromUs, count }))
  return { what, inFlight, valueBytes, records, ...rates, latencyMs: { p50, p99, p999, max }, histogram }
}
