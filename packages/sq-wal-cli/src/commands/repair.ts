/** `sq-wal repair`: its options and its help. */
import { Option } from 'commander'
import type { Command } from 'commander'
import { addLogArgument, parseLogName } from '../log-name.ts'
import { parseCount } from '../place.ts'
import type { RepairCommandOptions } from '../run/repair.ts'

const KINDS = ['restore', 'drop-from', 'drop-through'] as const

export function addRepairCommand(program: Command): void {
  addLogArgument(program.command('repair'))
    .summary('mend a damaged log: shows how, and does it with --yes')
    .description(
      'Verifies a log and shows, for each problem, what could be done and what that costs. With --yes it does one ' +
        'repair. What it takes out of the log stays in quarantined files.',
    )
    .option('--problem <n>', 'which problem, by its number', parseCount(1), 1)
    .addOption(new Option('--repair <kind>', 'which repair (default: one that costs nothing)').choices(KINDS))
    .option('-y, --yes', 'do it')
    .option('--json', 'write JSON')
    .addHelpText(
      'after',
      `
Repairs:
  restore        writes damaged bytes again that a checksum confirms; costs nothing
  drop-from      ends the log before the first damaged offset: all later records are given up
  drop-through   lets the log begin behind the damaged segment: all earlier records are given up

Examples:
  sq-wal repair orders/0                                   shows what could be done
  sq-wal repair orders/0 --yes                             does it, if it costs nothing
  sq-wal repair orders/0 --problem 2 --repair drop-from --yes

The broker must be stopped for --yes, not to look. Exit status: 0 if the log has no problem (any more), 1 if it has one,
2 on misuse.`,
    )
    .action(async (log: string, options: RepairCommandOptions) => {
      const { repairLog } = await import('../run/repair.ts')
      process.exitCode = await repairLog(parseLogName(log, options), options)
    })
}
