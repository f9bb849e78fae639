/** Runs a command on each selected log. A log that fails does not hide the others. */
import { CommandError } from '../command-error.ts'
import type { LocatedLog } from '../log-source.ts'
import type { SelectedLog, Selection } from '../log-selection.ts'
import { isOutputGone, printLine, printNotice, writeJson } from '../output.ts'
import { failureOf, printFailure } from './log-failure.ts'

/**
 * Runs an action on each selected log, one after the other. If the only one fails, rejects with its error. If one of
 * several fails, prints a line on stderr. Resolves with the exit status: 1 if a log failed. Rejects with a
 * `CommandError` if there is no log.
 */
export async function onEachLog(selection: Selection, action: (log: LocatedLog) => Promise<void>): Promise<number> {
  if (selection.single !== null) {
    tellIfMisplaced(selection.single)
    await action(selection.single)
    return 0
  }
  let status = 0
  for (const log of await someLogs(selection)) {
    try {
      if (log.error !== undefined) throw log.error
      tellIfMisplaced(log)
      await action(log)
    } catch (error) {
      printFailure(failureOf(log, error))
      status = 1
    }
    if (isOutputGone()) break
  }
  return status
}

/** Prints a notice if the log is in the directory of another. */
export function tellIfMisplaced({ foundAs, topic, partition }: LocatedLog): void {
  if (foundAs !== undefined) printNotice(`the directory ${foundAs} holds the segments of ${topic}/${partition}`)
}

/** What a command that prints a report does with a log. */
export interface Report<T> {
  readonly describe: (log: LocatedLog) => Promise<T>
  /** The report as JSON. Several reports become one list; a report that is a list becomes a part of it. */
  readonly json: (found: T) => unknown
  /** Prints the report for people. */
  readonly write: (log: LocatedLog, found: T) => Promise<void>
  readonly statusOf: (found: T) => number
  /** Whether the report needs a line above it that names its log, if there are several. */
  readonly isTitled: boolean
}

/** Prints a report of each selected log. Resolves with the exit status, the largest of all logs. */
export async function reportOnEachLog<T>(selection: Selection, json: boolean, report: Report<T>): Promise<number> {
  if (selection.single !== null) {
    const found = await report.describe(selection.single)
    await (json ? writeJson(report.json(found)) : report.write(selection.single, found))
    return report.statusOf(found)
  }
  const reports: unknown[] = []
  let status = 0
  let isFirst = true
  const logs = await selection.list()
  for (const log of logs) {
    try {
      if (log.error !== undefined) throw log.error
      const found = await report.describe(log)
      status = Math.max(status, report.statusOf(found))
      if (json) {
        reports.push(report.json(found))
        continue
      }
      if (report.isTitled) await printTitle(log, isFirst)
      isFirst = false
      await report.write(log, found)
    } catch (error) {
      const failure = failureOf(log, error)
      if (json) reports.push(failure)
      else printFailure(failure)
      status = 1
    }
  }
  if (json) await writeJson(reports.flat())
  requireSome(selection, logs)
  return status
}

async function someLogs(selection: Selection): Promise<readonly SelectedLog[]> {
  const logs = await selection.list()
  requireSome(selection, logs)
  return logs
}

function requireSome(selection: Selection, logs: readonly SelectedLog[]): void {
  if (logs.length === 0) throw new CommandError(selection.describeNone())
}

async function printTitle({ topic, partition }: LocatedLog, isFirst: boolean): Promise<void> {
  if (!isFirst) await printLine()
  await printLine(`${topic}/${partition}:`)
}
