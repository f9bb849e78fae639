/** `sq-wal report`: its options and its help. */
import type { Command } from 'commander'
import { addLogsArgument, SELECTION_HELP, withSelection } from '../log-selection.ts'
import type { SelectionOptions } from '../log-selection.ts'
import { addArchiveOption } from '../log-source.ts'
import { parseBytes } from '../place.ts'
import type { ReportOptions } from '../report/report.ts'

export function addReportCommand(program: Command): void {
  addArchiveOption(addLogsArgument(program.command('report')))
    .summary('write what logs look like as one HTML file')
    .description(
      'Reads every byte of a log and writes what it looks like as one HTML file: a picture of the log, its size over ' +
        'time, the sizes of its commits and records, its keys, pauses, damage and segments. The file loads nothing.',
    )
    .requiredOption('-o, --output <file>', 'the file to write; "-" is standard output')
    .option('--bytes <size>', 'also show what retention by this size would keep: 500MB, 10GiB', parseBytes)
    .addHelpText(
      'after',
      `
Examples:
  sq-wal report orders/0 -d /var/lib/broker -o orders.html
  sq-wal report --all -d /var/lib/broker -o broker.html
  sq-wal report orders/0 --store s3://backup/main -o orders.html

The size of the file does not depend on the size of the logs: of a large log, each part of a picture stands for more.
${SELECTION_HELP}

Exit status: 0 if no log has a problem; 1 if a log has one or cannot be read, or if there is no log; 2 for a usage
error.`,
    )
    .action(async (logs: string[], options: ReportOptions & SelectionOptions) => {
      const { reportLogs } = await import('../report/report.ts')
      process.exitCode = await withSelection(logs, options, (selection) => reportLogs(selection, options))
    })
}
