/** Lists the possible repairs of a damaged log and, with --yes, performs one. */
import { repair } from '@sq/storage'
import type { LogProblem, LogReport, PossibleRepair, RepairKind } from '@sq/storage'
import { CommandError } from '../command-error.ts'
import { withOrigin } from '../log-at-path.ts'
import type { LocatedLog } from '../log-source.ts'
import { colors, counted, formatCount, printLine, printLines, writeJson, writeTable } from '../output.ts'
import { shownPath } from '../shown-path.ts'
import { UsageError } from '../usage-error.ts'
import { describeMisplaced, verifyWithProgress, writeProblems } from './verify.ts'

export interface RepairCommandOptions {
  readonly problem: number
  readonly repair?: RepairKind
  readonly yes?: boolean
  readonly json?: boolean
}

/** Resolves with the exit status. */
export async function repairLog(log: LocatedLog, options: RepairCommandOptions): Promise<number> {
  const placed = await withOrigin(log)
  if (placed.foundAs !== undefined) throw new CommandError(`nothing to repair: ${describeMisplaced(placed)}`)
  const report = await verifyWithProgress(log)
  if (options.yes === true) return perform(log, report, options)
  if (options.json === true) await writeJson(report.problems)
  else await showRepairs(log, report)
  return report.problems.length === 0 ? 0 : 1
}

async function showRepairs({ topic, partition }: LocatedLog, report: LogReport): Promise<void> {
  const { problems, firstOffset, nextOffset } = report
  if (problems.length === 0) {
    await printLine(`${topic}/${partition}: no problem, nothing to repair`)
    return
  }
  await writeProblems(problems)
  await printLine()
  const rows = problems.flatMap(({ repairs }, index) => repairs.map((offered) => rowOf(index + 1, offered)))
  if (rows.length === 0) {
    await printLine('No repair is possible: restore the log from a copy.')
    return
  }
  const right = { align: 'right' } as const
  await writeTable(
    [
      { title: 'PROBLEM', ...right },
      { title: 'REPAIR' },
      { title: 'OFFSETS AFTER REPAIR' },
      { title: 'READABLE RECORDS LOST', ...right },
    ],
    rows,
  )
  const advice = 'Nothing was changed. To repair: --problem N --repair REPAIR --yes'
  await printLines([[], [`The log has ${rangeOf(firstOffset, nextOffset)}. ${advice}`]])
}

function rowOf(problem: number, { kind, firstOffset, nextOffset, readableRecordsLost }: PossibleRepair): string[] {
  const offsets = firstOffset === nextOffset ? `none, next is ${nextOffset}` : `${firstOffset}-${nextOffset - 1n}`
  return [String(problem), kind, offsets, formatCount(readableRecordsLost)]
}

function rangeOf(firstOffset: bigint, nextOffset: bigint): string {
  if (firstOffset === nextOffset) return `no records, next offset ${nextOffset}`
  return `offsets ${firstOffset}-${nextOffset - 1n}`
}

async function perform(log: LocatedLog, report: LogReport, options: RepairCommandOptions): Promise<number> {
  const { fs, config, topic, partition } = log
  if (report.problems.length === 0) {
    if (options.json === true) await writeJson({ repaired: null, repair: null, quarantined: [], problems: [] })
    else await showRepairs(log, report)
    return 0
  }
  const problem = report.problems[options.problem - 1]
  if (problem === undefined) {
    throw new UsageError(`--problem is ${options.problem}; the log has ${counted(report.problems.length, 'problem')}`)
  }
  const chosen = choose(problem, options)
  const { quarantined } = await repair(fs, config, topic, partition, { problem, repair: chosen })
  const { problems, firstOffset, nextOffset } = await verifyWithProgress(log)
  if (options.json === true) {
    await writeJson({ repaired: problem, repair: chosen, quarantined, problems })
    return problems.length === 0 ? 0 : 1
  }
  await printLine(`${topic}/${partition}: ${chosen} done; the log has ${rangeOf(firstOffset, nextOffset)}`)
  for (const path of quarantined) await printLine(`  quarantined: ${shownPath(path)}`)
  if (problems.length === 0) await printLine(colors.green('no problem'), ' left')
  else
    await printLine(
      colors.red(counted(problems.length, 'problem')),
      ' left: run the command without --yes to list them',
    )
  return problems.length === 0 ? 0 : 1
}

/** The repair named on the command line, or `restore`. Throws if the problem does not offer it. */
function choose({ repairs, kind, path }: LogProblem, { repair: chosen, problem }: RepairCommandOptions): RepairKind {
  const offered = repairs.map((each) => each.kind).join(', ')
  if (offered === '') {
    throw new CommandError(
      `no repair is possible for problem ${problem} (${kind} in ${path}); restore the log from a copy`,
    )
  }
  const wanted = chosen ?? 'restore'
  if (repairs.some((each) => each.kind === wanted)) return wanted
  if (chosen === undefined) {
    throw new UsageError(`every repair of problem ${problem} loses records; choose one with --repair: ${offered}`)
  }
  throw new UsageError(`problem ${problem} does not offer the repair ${chosen}; it offers ${offered}`)
}
