/** The demo from beginning to end: append under kills, read back, compare, report. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { ObjectStore } from '@sq/archive'
import { Random, SystemClock } from '@sq/sim'
import { listSegments, WalReader, type SegmentInfo } from '@sq/storage'
import { appendWithKills, drawKillMoments } from './append-with-kills.ts'
import { compareRecords, type Comparison } from './compare.ts'
import { makeDataDirectory } from './data-directory.ts'
import { inspectInput, readRecords, type Input } from './input.ts'
import { catchInterruption, Interruption } from '../interruption.ts'
import { fs, logConfig, partition, topic } from './log.ts'
import { printLines } from '../output.ts'
import { visible } from '../visible.ts'
import { startProgress, type Progress } from './progress.ts'
import { formatKills, formatMove, formatNumber, formatRate, formatSegments } from './report.ts'
import type { Moved } from './archived.ts'
import type { AppenderLife } from './run-appender.ts'

export interface DemoOptions {
  /** The file to read the records from. Default: the flights. */
  readonly input?: string
  /** The directory of the log. Default: a temporary directory. */
  readonly dir?: string
  /** Keeps the log, and its archive. */
  readonly keep?: boolean
  /** Moves the log through an archive: in a store, or with true in a temporary directory. */
  readonly archive?: string | true
  readonly kills: number
  readonly seed: number
}

interface Surroundings {
  /** The archive that the options name; null if they name none. */
  readonly store: ObjectStore | null
  readonly dataDir: string
  readonly progress: Progress
  readonly signal: AbortSignal
}

/** Resolves with the exit status: 0 if every record is intact, 1 if one is not, above 128 if interrupted. */
export async function runDemo(options: DemoOptions): Promise<number> {
  const { archive } = options
  if (typeof archive !== 'string') return runWithStore(options, null)
  // It is opened first, so that a mistake in its name is told before any work.
  const { withStore } = await import('../store.ts')
  return withStore(archive, { readOnly: false }, (store) => runWithStore(options, store))
}

async function runWithStore(options: DemoOptions, store: ObjectStore | null): Promise<number> {
  using interruptible = catchInterruption()
  const { signal } = interruptible
  try {
    const { intact, expected, differences } = await runInDirectory(options, { store, signal })
    for (const difference of differences) print(`${visible(difference)}\n`)
    print(`${intact} of ${expected} records intact\n`)
    return differences.length === 0 ? 0 : 1
  } catch (error) {
    // An interruption makes the current step fail with an error of its own.
    if (!(signal.reason instanceof Interruption)) throw error
    return signal.reason.exitStatus
  }
}

async function runInDirectory(
  options: DemoOptions,
  { store, signal }: Pick<Surroundings, 'store' | 'signal'>,
): Promise<Comparison> {
  const input = await inspectInput(options.input, signal)
  const directory = await makeDataDirectory(options.dir)
  const progress = startProgress()
  try {
    print(`${describe(input)}; kills: ${options.kills}, seed: ${options.seed}\n`)
    const surroundings = { store, dataDir: directory.path, progress, signal }
    const killMoments = drawKillMoments(options.kills, input.records, new Random(options.seed))
    const lives = await append(input, killMoments, surroundings)
    const moved = options.archive === undefined ? null : await move(options, surroundings)
    const segments = await listSegments(fs, logConfig(directory.path), topic, partition)
    const { comparison, elapsedMs } = await readBack(input, surroundings)
    progress.clear()
    printResult({ lives, segments, moved, comparison, readBackMs: elapsedMs })
    return comparison
  } finally {
    progress.clear()
    if (options.keep) print(`log kept in ${visible(directory.path)}\n`)
    else await directory.remove()
  }
}

/** Moves the log through an archive below a name of its own, which is removed at the end. */
async function move({ keep = false }: DemoOptions, { store, dataDir, progress, signal }: Surroundings): Promise<Moved> {
  progress.show(() => 'archiving, and restoring')
  const prefix = `sq-wal-demo-${randomBytes(6).toString('hex')}`
  const { DirectoryObjectStore } = await import('@sq/archive')
  const { moveThroughArchive, removeArchive } = await import('./archived.ts')
  const archive = store ?? new DirectoryObjectStore(fs, join(dataDir, 'archive'))
  try {
    return await moveThroughArchive(archive, { dataDir, prefix, signal })
  } finally {
    if (!keep) await removeArchive(archive, prefix)
  }
}

function append(
  input: Input,
  killMoments: readonly number[],
  { dataDir, progress, signal }: Surroundings,
): Promise<AppenderLife[]> {
  const onProgress = (done: number, kills: number): void =>
    progress.show(() => `appending  ${share(done, input.records)}  kills: ${kills} of ${killMoments.length}`)
  return appendWithKills({ input, dataDir, killMoments }, { onProgress, signal })
}

async function readBack(
  input: Input,
  { dataDir, progress, signal }: Surroundings,
): Promise<{ comparison: Comparison; elapsedMs: number }> {
  const clock = new SystemClock()
  const startMs = clock.monotonic()
  await using reader = await WalReader.open(fs, logConfig(dataDir), topic, partition)
  const comparison = await compareRecords(readRecords(input, { signal }), reader.read(), (compared) =>
    progress.show(() => `reading back  ${share(compared, input.records)}`),
  )
  return { comparison, elapsedMs: clock.monotonic() - startMs }
}

function printResult(result: {
  readonly lives: readonly AppenderLife[]
  readonly segments: readonly SegmentInfo[]
  readonly moved: Moved | null
  readonly comparison: Comparison
  readonly readBackMs: number
}): void {
  const { lives, segments, moved, comparison, readBackMs } = result
  const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0)
  const appendMs = lives.reduce((sum, life) => sum + life.elapsedMs, 0)
  if (lives.length > 1) print(`\n${formatKills(lives)}`)
  print(`\n${formatSegments(segments)}\n`)
  print(`appended   ${formatRate(comparison.expected, bytes, appendMs)}\n`)
  if (moved !== null) {
    print(`archived   ${formatMove(moved.segments, moved.bytes, moved.uploadMs)}\n`)
    print(`restored   ${formatMove(moved.segments, moved.bytes, moved.restoreMs)}, after the log was deleted here\n`)
  }
  print(`read back  ${formatRate(comparison.expected, bytes, readBackMs)}\n`)
}

function describe({ path, format, records }: Input): string {
  const what = {
    flights: 'flights',
    'made-flights':
      'made-up flights (the real ones are in the npm package vega-datasets 2.8.1, which is not installed)',
    lines: `lines of ${visible(path)}`,
    array: `values of the JSON array in ${visible(path)}`,
  }[format]
  return `${formatNumber(records)} ${what}`
}

function share(done: number, all: number): string {
  return `${Math.floor((100 * done) / all)}%  ${formatNumber(done)} of ${formatNumber(all)}`
}

/** Prints whole lines. */
function print(text: string): void {
  void printLines(
    text
      .replace(/\n$/, '')
      .split('\n')
      .map((line) => [line]),
  )
}
