/** `sq-wal truncate`: its options and its help. */
import type { Command } from 'commander'
import { addLogArgument } from '../log-name.ts'
import type { DataDirOption } from '../log-name.ts'
import { withLog } from '../log-source.ts'
import { parsePlace, PLACES, TIMES_HELP } from '../place.ts'
import type { TruncateOptions } from '../run/truncate.ts'
import { addLocalOption } from '../written-time.ts'

export function addTruncateCommand(program: Command): void {
  addLocalOption(addLogArgument(program.command('truncate')))
    .summary('show how many of the newest records would be dropped; --yes drops them')
    .description(
      'Permanently drops every record from a place on. The next record gets the first dropped offset. Without --yes, ' +
        'the command only shows how many records it would drop.',
    )
    .requiredOption('--from <place>', `the first record to drop: ${PLACES}`, parsePlace)
    .option('-y, --yes', 'drop the records')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  sq-wal truncate orders/0 --from 1200
  sq-wal truncate orders/0 --from 1200 --yes

A time selects the position of the first record with this timestamp or a later one. If records after it have earlier
timestamps, a line on stderr says how many. Tell every consumer that has read the dropped records: new records get their
offsets. Stop the broker before you use --yes; without --yes it can keep running.
${TIMES_HELP}

Exit status: 0 on success; 1 on failure; 2 for a usage error.`,
    )
    .action(async (log: string, options: TruncateOptions & DataDirOption) => {
      const { truncate } = await import('../run/truncate.ts')
      await withLog(log, options, (located) => truncate(located, options))
    })
}
