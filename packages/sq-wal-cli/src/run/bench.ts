/** Measures a disk and the log on it. */
import { randomBytes } from 'node:crypto'
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { NodeFileSystem, SystemClock } from '@sq/sim'
import { WalWriter } from '@sq/storage'
import { CommandError } from '../command-error.ts'
import { catchInterruption, Interruption } from '../interruption.ts'
import { messageOf } from '../message-of.ts'
import { formatCount, writeJson, writeTable } from '../output.ts'
import { progressBar } from '../progress.ts'
import type { ProgressBar } from '../progress.ts'
import { UsageError } from '../usage-error.ts'
import { drawHistogram, percentile } from './histogram.ts'

export interface BenchOptions {
  readonly seconds: number
  readonly valueBytes: number
  readonly json?: boolean
}

const IN_FLIGHT = [1, 8, 64, 1024]
/** Larger ones the log would not take, by default. */
const MAX_VALUE_BYTES = 16 * 1024 * 1024
/** No more is in flight than this, well below the default of `maxPendingBytes`. */
const MAX_BYTES_IN_FLIGHT = 32 * 1024 * 1024
const PERCENTILES = [50, 99, 99.9, 100]

interface Measured {
  readonly what: 'write + fdatasync' | 'log'
  readonly inFlight: number
  readonly records: number
  readonly elapsedMs: number
  /** Of each record, from the smallest. */
  readonly latenciesMs: Float64Array
}

/** What a measurement is made with. */
interface Surroundings {
  readonly directory: string
  readonly value: Buffer
  /** How long it takes. */
  readonly durationMs: number
  readonly signal: AbortSignal
  /** Called from time to time with how long it has taken. */
  readonly onElapsed: (elapsedMs: number) => void
}

const clock = new SystemClock()

/** Resolves with the exit status. */
export async function bench(parent: string, { seconds, valueBytes, json = false }: BenchOptions): Promise<number> {
  if (valueBytes > MAX_VALUE_BYTES) throw new UsageError(`a record has at most ${MAX_VALUE_BYTES} bytes`)
  const inFlight = IN_FLIGHT.filter((appends) => appends === 1 || appends * valueBytes <= MAX_BYTES_IN_FLIGHT)
  using interruption = catchInterruption()
  const { signal } = interruption
  const directory = await mkdtemp(join(parent, 'sq-wal-bench-')).catch((error: unknown) => {
    throw new CommandError(`cannot make a directory to measure in: ${messageOf(error)}`)
  })
  const durationMs = 1000 * seconds
  const bar = await progressBar('measuring', { total: durationMs * (1 + inFlight.length), format: null })
  try {
    const measured = await measureAll(inFlight, { directory, value: randomBytes(valueBytes), durationMs, signal }, bar)
    bar.stop()
    if (json) writeJson(measured.map(summaryOf))
    else await write(measured, { directory: parent, valueBytes })
    return 0
  } catch (error) {
    if (signal.reason instanceof Interruption) return signal.reason.exitStatus
    throw error
  } finally {
    bar.stop()
    await rm(directory, { recursive: true })
  }
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

/** Writes at the end of a file and makes it durable, one value after another. */
async function measureDisk({ directory, value, durationMs, signal, onElapsed }: Surroundings): Promise<Measured> {
  const file = openSync(join(directory, 'raw'), 'wx')
  const latencies: number[] = []
  const startMs = clock.monotonic()
  let nowMs = startMs
  try {
    while (nowMs - startMs < durationMs) {
      const begunMs = nowMs
      // Something must be written for there to be something to make durable.
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
  }
  return resultOf('write + fdatasync', { inFlight: 1, latencies, elapsedMs: nowMs - startMs })
}

/** So many producers, each waiting for its own acknowledgement. */
async function measureLog(
  inFlight: number,
  { directory, value, durationMs, signal, onElapsed }: Surroundings,
): Promise<Measured> {
  const latencies: number[] = []
  await using writer = await WalWriter.open(new NodeFileSystem(), { dataDir: directory }, 'bench', inFlight)
  // The first append makes the first segment.
  await writer.append(null, value, [], clock.now())
  const startMs = clock.monotonic()
  const produce = async (): Promise<void> => {
    for (let nowMs = clock.monotonic(); nowMs - startMs < durationMs && !signal.aborted; ) {
      const begunMs = nowMs
      await writer.append(null, value, [], clock.now())
      nowMs = clock.monotonic()
      latencies.push(nowMs - begunMs)
      onElapsed(nowMs - startMs)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, produce))
  signal.throwIfAborted()
  return resultOf('log', { inFlight, latencies, elapsedMs: clock.monotonic() - startMs })
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
  print(`values of ${formatCount(valueBytes)} bytes, in ${directory}\n\n`)
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
    print(`\n${what}, 1 in flight: how long a record takes\n`)
    print(drawHistogram(latenciesMs, process.stdout.columns || 80))
  }
}

function summaryOf({ what, inFlight, records, elapsedMs, latenciesMs }: Measured): object {
  const [p50, p99, p999, max] = PERCENTILES.map((percent) => percentile(latenciesMs, percent))
  return { what, inFlight, records, recordsPerSecond: (1000 * records) / elapsedMs, latencyMs: { p50, p99, p999, max } }
}

function print(text: string): void {
  process.stdout.write(text)
}
