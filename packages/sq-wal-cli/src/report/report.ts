/** Writes a report of logs as one HTML file. */
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { CommandError } from '../command-error.ts'
import type { Selection } from '../log-selection.ts'
import { messageOf } from '../message-of.ts'
import { printLines } from '../output.ts'
import { failureOf, printFailure } from '../run/log-failure.ts'
import { reportPage } from './html.ts'
import type { LogData, ReportData, UnreadableData } from './log-data.ts'
import { readLogData } from './read-log-data.ts'

/** Of all logs together. A report of any number of logs has a few megabytes, plus a few kilobytes for each log. */
const MAX_CELLS = 40_000
const MAX_CELLS_PER_LOG = 2000
const MIN_CELLS_PER_LOG = 16

/** The file name that means standard output. */
const STANDARD_OUTPUT = '-'

export interface ReportOptions {
  readonly output: string
  readonly bytes?: number
}

/** Resolves with the exit status. */
export async function reportLogs(selection: Selection, { output, bytes }: ReportOptions): Promise<number> {
  const selected = await selection.list()
  if (selected.length === 0) throw new CommandError(selection.describeNone())
  const share = Math.floor(MAX_CELLS / selected.length)
  const cells = Math.max(Math.min(share, MAX_CELLS_PER_LOG), MIN_CELLS_PER_LOG)
  const logs: (LogData | UnreadableData)[] = []
  for (const log of selected) {
    try {
      if (log.error !== undefined) throw log.error
      logs.push(await readLogData(log, { cells, limitBytes: bytes ?? null }))
    } catch (error) {
      if (selection.single !== null) throw error
      printFailure(failureOf(log, error))
      const name = log.partition === null ? log.topic : `${log.topic}/${log.partition}`
      logs.push({ name, error: messageOf(error) })
    }
  }
  const places = new Set(selected.map(({ archive, config }) => archive ?? config.dataDir))
  await write(output, { version: ownVersion(), madeMs: Date.now(), place: Array.from(places).join(', '), logs })
  return logs.every((log) => 'cells' in log && log.problems.total === 0) ? 0 : 1
}

async function write(output: string, data: ReportData): Promise<void> {
  const page = await reportPage(data)
  if (output === STANDARD_OUTPUT)
    return printLines(
      page
        .trimEnd()
        .split('\n')
        .map((line) => [line]),
    )
  await writeFile(output, page).catch((error: unknown) => {
    throw new CommandError(`cannot write the report: ${messageOf(error)}`)
  })
}

function ownVersion(): string {
  const manifest: { version: string } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  return manifest.version
}
