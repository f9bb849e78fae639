/** `sq-wal repair`: its options and its help. */
import { Option } from 'commander'
import type { Command } from 'commander'
import { addLogArgument } from '../log-name.ts'
import type { DataDirOption } from '../log-name.ts'
import { withLog } from '../log-source.ts'
import { parseCount } from '../place.ts'
import type { RepairCommandOptions } from '../run/repair.ts'

const KINDS = ['restore', 'drop-from', 'drop-through', 'remove-log-start'] as const

export function addRepairCommand(program: Command): void {
  addLogArgument(program.command('repair'))
    .summary('list the possible repairs of a damaged log; --yes performs one')
    .description(
      'Verifies a log and lists the possible repairs of each problem, with the records that each would lose. With ' +
        '--yes it performs one repair. What a repair removes is quarantined: moved to files next to the segments.',
    )
    .option('--problem <n>', 'the number of the problem to repair', parseCount(1), 1)
    .addOption(
      new Option('--repair <kind>', 'the repair to perform (default: restore, which loses nothing)').choices(KINDS),
    )
    .option('-y, --yes', 'perform the repair')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Repairs:
  restore           rewrites damaged bytes whose correct values a checksum confirms; no record is lost
  drop-from         ends the log before the first damaged offset; all later records are lost
  drop-through      starts the log after the damaged segment; all earlier records are lost
  remove-log-start  removes a damaged log-start file; deleted records of the first segment are there again

Examples:
  sq-wal repair orders/0                                   lists the possible repairs
  sq-wal repair orders/0 --yes                             restores the first problem
  sq-wal repair orders/0 --problem 2 --repair drop-from --yes

Stop the broker before you use --yes; without --yes it can keep running.

Exit status: 0 if the log has no problem (left); 1 if it has one; 2 for a usage error.`,
    )
    .action(async (log: string, options: RepairCommandOptions & DataDirOption) => {
      const { repairLog } = await import('../run/repair.ts')
      process.exitCode = await withLog(log, options, (located) => repairLog(located, options))
    })
}
