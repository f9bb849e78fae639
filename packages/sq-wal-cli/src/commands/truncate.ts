/** `sq-wal truncate`: its options and its help. */
import type { Command } from 'commander'
import { addLogArgument, parseLogName } from '../log-name.ts'
import { parsePlace, PLACES } from '../place.ts'
import type { TruncateOptions } from '../run/truncate.ts'

export function addTruncateCommand(program: Command): void {
  addLogArgument(program.command('truncate'))
    .summary('drop the newest records: shows which, and does it with --yes')
    .description(
      'Drops every record from a place on, for good: the next record gets the first dropped offset. Without --yes it ' +
        'only shows how many.',
    )
    .requiredOption('--from <place>', `the first record to drop: ${PLACES}`, parsePlace)
    .option('-y, --yes', 'do it')
    .option('--json', 'write JSON')
    .addHelpText(
      'after',
      `
Examples:
  sq-wal truncate orders/0 --from 1200
  sq-wal truncate orders/0 --from 1200 --yes

A time is taken for the position of the first record of that time or a later one; where records behind it are of
earlier times, a line on stderr says how many. Whoever has read the dropped records must be told: their offsets are
given to others. The broker must be stopped for --yes, not to look.

Exit status: 0, 1 where something failed, 2 on misuse.`,
    )
    .action(async (log: string, options: TruncateOptions) => {
      const { truncate } = await import('../run/truncate.ts')
      await truncate(parseLogName(log, options), options)
    })
}
