/** Shows how a damaged log can be mended and, told to, does one repair. */
import { NodeFileSystem } from '@sq/sim'
import { repair } from '@sq/storage'
import type { LogProblem, LogReport, PossibleRepair, RepairKind } from '@sq/storage'
import { CommandError } from '../command-error.ts'
import type { DataDirOption, LogName } from '../log-name.ts'
import { colors, counted, formatCount, printLine, printLines, writeJson, writeTable } from '../output.ts'
import { shownPath } from '../shown-path.ts'
import { UsageError } from '../usage-error.ts'
import { verifyWithProgress, writeProblems } from './verify.ts'

export interface RepairCommandOptions extends DataDirOption {
  readonly problem: number
  readonly repair?: RepairKind
  readonly yes?: boolean
  readonly json?: boolean
}

/** Resolves with the exit status. */
export async function repairLog(log: LogName, options: RepairCommandOptions): Promise<number> {
  const report = await verifyWithProgress(log)
  if (options.yes === true) return mend(log, report, options)
  if (options.json === true) await writeJson(report.problems)
  else await showRepairs(log, report)
  return report.problems.length === 0 ? 0 : 1
}

async function showRepairs({ topic, partition }: LogName, report: LogReport): Promise<void> {
  const { problems, firstOffset, nextOffset } = report
  if (problems.length === 0) {
    await printLine(`${topic}/${partition}: no problem, so there is nothing to repair`)
    return
  }
  await writeProblems(problems)
  await printLine()
  const rows = problems.flatMap(({ repairs }, index) => repairs.map((offered) => rowOf(index + 1, offered)))
  if (rows.length === 0) {
    await printLine('Nothing can be done about it here: use a copy of the log.')
    return
  }
  const right = { align: 'right' } as const
  await writeTable(
    [
      { title: 'PROBLEM', ...right },
      { title: 'REPAIR' },
      { title: 'OFFSETS AFTERWARDS' },
      { title: 'READABLE RECORDS LOST', ...right },
    ],
    rows,
  )
  const advice = 'Nothing was changed; to repair: --problem N --repair KIND --yes'
  await printLines([[], [`Now the log has ${span(firstOffset, nextOffset)}. ${advice}`]])
}

function rowOf(problem: number, { kind, firstOffset, nextOffset, readableRecordsLost }: PossibleRepair): string[] {
  return [String(problem), kind, span(firstOffset, nextOffset), formatCount(readableRecordsLost)]
}

function span(firstOffset: bigint, nextOffset: bigint): string {
  return firstOffset === nextOffset ? `none, the next is ${nextOffset}` : `${firstOffset}-${nextOffset - 1n}`
}

async function mend(log: LogName, report: LogReport, options: RepairCommandOptions): Promise<number> {
  const { config, topic, partition } = log
  if (report.problems.length === 0) {
    if (options.json === true) await writeJson({ repaired: null, repair: null, quarantined: [], problems: [] })
    else await showRepairs(log, report)
    return 0
  }
  const problem = report.problems[options.problem - 1]
  if (problem === undefined) {
    throw new UsageError(`there is no problem ${options.problem}: the log has ${report.problems.length}`)
  }
  const chosen = choose(problem, options)
  const { quarantined } = await repair(new NodeFileSystem(), config, topic, partition, { problem, repair: chosen })
  const { problems, firstOffset, nextOffset } = await verifyWithProgress(log)
  if (options.json === true) {
    await writeJson({ repaired: problem, repair: chosen, quarantined, problems })
    return problems.length === 0 ? 0 : 1
  }
  await printLine(`${topic}/${partition}: ${chosen} done; the log has ${span(firstOffset, nextOffset)}`)
  for (const path of quarantined) await printLine(`  quarantined: ${shownPath(path)}`)
  if (problems.length === 0) await printLine(colors.green('no problem'), ' is left')
  else await printLine(colors.red(counted(problems.length, 'problem')), ' left: run this again without --yes to see')
  return problems.length === 0 ? 0 : 1
}

/** What was chosen, or what costs nothing. Throws where that is not offered. */
function choose({ repairs, kind, path }: LogProblem, { repair: chosen, problem }: RepairCommandOptions): RepairKind {
  const offered = repairs.map((each) => each.kind).join(', ')
  if (offered === '') {
    throw new CommandError(`nothing can be done about problem ${problem} (${kind} in ${path}): use a copy of the log`)
  }
  const wanted = chosen ?? 'restore'
  if (repairs.some((each) => each.kind === wanted)) return wanted
  if (chosen === undefined) {
    throw new UsageError(`every repair of problem ${problem} gives up records: choose one with --repair: ${offered}`)
  }
  throw new UsageError(`problem ${problem} does not offer ${chosen}, but ${offered}`)
}
