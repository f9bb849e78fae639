/** `sq-wal tail`: its options and its help. */
import type { Command } from 'commander'
import { addLogsArgument, SELECTION_HELP, withSelection } from '../log-selection.ts'
import type { SelectionOptions } from '../log-selection.ts'
import { addArchiveOption } from '../log-source.ts'
import { parseCount, parsePlace, PLACES, TIMES_HELP } from '../place.ts'
import type { TailOptions } from '../run/tail.ts'
import { addRecordOptions, FORMAT_HELP } from './cat.ts'

export function addTailCommand(program: Command): void {
  addRecordOptions(addArchiveOption(addLogsArgument(program.command('tail'))))
    .summary('print the last records of logs; --follow prints new ones too')
    .description(
      'Prints the last records of each log. With --follow, also prints new records of all of them until Ctrl-C.',
    )
    .option('-n, --count <n>', 'how many of the last records that match, of each log (default: 10)', parseCount(0))
    .option('--from <place>', `instead of --count, the first record: ${PLACES}`, parsePlace)
    .option('-f, --follow', 'print new records as they are appended')
    .addHelpText(
      'after',
      `
Examples:
  sq-wal tail orders/0
  sq-wal tail -n 5 orders/0 --key customer-17
  sq-wal tail -f -n 0 'web/*' orders/0 --format json
  sq-wal tail -f --from 2026-11-22T20:00Z orders/0
  sq-wal tail orders/0 --store s3://backup/main

While a broker is running, the last record printed may not be acknowledged yet; --durable-only omits it.

--follow waits for a log that does not exist yet, and finds new ones with --all and patterns.

With --store, --follow prints the records of each segment once it is archived. It looks every 5 seconds.

Exit status: 0 on success and after Ctrl-C; 1 on failure; 2 for a usage error. With --grep, Ctrl-C ends the process by
its signal, which a shell shows as 130.
${SELECTION_HELP}
${TIMES_HELP}
${FORMAT_HELP}`,
    )
    .action(async (logs: string[], options: TailOptions & SelectionOptions) => {
      const { tail } = await import('../run/tail.ts')
      process.exitCode = await withSelection(logs, options, (selection) => tail(selection, options), {
        anyPath: true,
      })
    })
}
