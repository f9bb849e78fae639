/** Verifies one log or all, and prints the reports. */
import { basename, join } from 'node:path'
import { verify, WalReader } from '@sq/storage'
import type { LogNote, LogProblem, LogReport } from '@sq/storage'
import type { Selection } from '../log-selection.ts'
import type { LocatedLog } from '../log-source.ts'
import { colors, counted, formatBytes, printLine, printLines, writeTable } from '../output.ts'
import { progressBar } from '../progress.ts'
import { quoted } from '../quoted.ts'
import { reportOnEachLog } from './each-log.ts'
import { digestOf } from './entries.ts'
import { MeteredFileSystem } from './metered-file-system.ts'
import { sizeOfSegments } from './segment-files.ts'

export interface VerifyOptions {
  /** Whether to compute a digest of the records. */
  readonly digest?: boolean
  readonly json?: boolean
}

/** Resolves with the exit status. */
export function verifyLogs(selection: Selection, { json = false, digest = false }: VerifyOptions): Promise<number> {
  return reportOnEachLog(selection, json, {
    describe: (log) => verifyPlaced(log, digest),
    json: (report) => report,
    write: writeReport,
    statusOf: ({ problems }) => (problems.length === 0 ? 0 : 1),
    isTitled: false,
  })
}

/** A report of the command. It also has problems that only the names of directories show. */
type PlacedReport = Omit<LogReport, 'problems'> & {
  readonly problems: readonly (LogProblem | MisplacedProblem)[]
  /** The SHA-256 of the records and their offsets, if it was asked for and no record is damaged. */
  readonly digest?: string
}

/**
 * The segments are those of another log than their directory is for. They are verified as what they are. There is no
 * repair: nothing is damaged.
 */
interface MisplacedProblem extends Omit<LogProblem, 'kind'> {
  readonly kind: 'misplaced'
}

async function verifyPlaced(log: LocatedLog, withDigest: boolean): Promise<PlacedReport> {
  const found = await verifyWithProgress(log)
  const { firstOffset: from, nextOffset: to } = found
  const report = log.foundAs === undefined ? found : { ...found, problems: [misplaced(log, found), ...found.problems] }
  if (!withDigest || found.problems.length > 0) return report
  const reader = await WalReader.open(log.fs, log.config, log.topic, log.partition)
  return { ...report, digest: await digestOf(reader, { from, to }) }
}

function misplaced(log: LocatedLog, { firstOffset, nextOffset }: LogReport): MisplacedProblem {
  const place = { path: log.config.dataDir, from: 0, to: 0, firstOffset, lastOffset: nextOffset - 1n }
  return { kind: 'misplaced', ...place, reason: describeMisplaced(log), repairs: [] }
}

/** Where a misplaced log belongs. */
export function describeMisplaced({ foundAs, topic, partition }: LocatedLog): string {
  const name = `${topic}/${partition}`
  const belongs = `its segments are those of ${name}, but the directory is for ${foundAs}`
  return `${belongs}: move it to ${name} of a data directory, or copy it with "sq-wal cp --as ${foundAs}"`
}

/** Verifies a log with a progress bar. */
export async function verifyWithProgress({ fs, config, topic, partition }: LocatedLog): Promise<LogReport> {
  const total = await sizeOfSegments(fs, join(config.dataDir, topic, String(partition)))
  const bar = await progressBar(`verifying ${topic}/${partition}`, { total, format: formatBytes })
  let read = 0
  const metered = new MeteredFileSystem(fs, (bytes) => bar.reached((read += bytes)))
  try {
    return await verify(metered, config, topic, partition)
  } finally {
    bar.stop()
  }
}

async function writeReport(log: LocatedLog, report: PlacedReport): Promise<void> {
  const { topic, partition } = log
  const { problems, notes, records, segments, bytes, firstOffset, nextOffset } = report
  const offsets = firstOffset === nextOffset ? `next offset ${nextOffset}` : `offsets ${firstOffset}-${nextOffset - 1n}`
  const verdict = problems.length === 0 ? colors.green('no problem') : colors.red(counted(problems.length, 'problem'))
  const held = `${counted(records, 'record')} in ${counted(segments, 'segment')}, ${formatBytes(bytes)}, ${offsets}`
  await printLine(`${topic}/${partition}: `, verdict, `; ${held}`)
  if (report.digest !== undefined) await printLine(`  sha256 of the records: ${report.digest}`)
  await printLines(notes.map((note) => [`  note: ${describeNote(note)}`]))
  if (problems.length === 0) return
  await printLine()
  await writeProblems(problems)
  if (problems.some(({ kind }) => kind !== 'misplaced')) await printLines([[], [nextStep(log)]])
}

/** What to do about problems. */
function nextStep({ config: { dataDir }, topic, partition, archive }: LocatedLog): string {
  if (archive !== null) {
    return 'Put missing and damaged segments back: from older versions in the store, or from a copy of the log on a machine.'
  }
  const command = `sq-wal repair ${topic}/${partition}${dataDir === '.' ? '' : ` -d ${quoted(dataDir)}`}`
  return `If you have a good copy of this log, restore it. Otherwise, "${command}" lists the possible repairs.`
}

/** Writes one row per problem, numbered from 1. */
export async function writeProblems(problems: readonly (LogProblem | MisplacedProblem)[]): Promise<void> {
  await writeTable(
    [
      { title: 'PROBLEM', align: 'right' },
      ...['KIND', 'FILE', 'BYTES', 'OFFSETS', 'REASON'].map((title) => ({ title })),
    ],
    problems.map((problem, index) => [
      String(index + 1),
      colors.red(problem.kind),
      basename(problem.path),
      `${problem.from}-${problem.to}`,
      describeOffsets(problem.firstOffset, problem.lastOffset),
      describeReason(problem),
    ]),
  )
}

/** The reason without the path, which the row already has. */
function describeReason({ kind, path, reason }: LogProblem | MisplacedProblem): string {
  if (kind !== 'not-a-file') return reason
  if (reason.includes(': EISDIR: ')) return 'it is a directory, not a regular file'
  const [, what] = /\bis ([^,]+, not a regular file)/.exec(reason.replaceAll(path, '')) ?? []
  return what === undefined ? reason : `it is ${what}`
}

function describeOffsets(firstOffset: bigint, lastOffset: bigint | null): string {
  if (lastOffset === null) return `${firstOffset} on`
  return lastOffset < firstOffset ? 'none' : `${firstOffset}-${lastOffset}`
}

function describeNote({ path, from, to, text, files }: LogNote): string {
  if (files > 1) return text
  const name = basename(path)
  return to === 0 ? `${name}: ${text}` : `${name}, bytes ${from}-${to}: ${text}`
}
