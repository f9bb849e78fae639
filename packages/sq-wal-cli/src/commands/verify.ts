/** `sq-wal verify`: its options and its help. */
import type { Command } from 'commander'
import { addLogsArgument, SELECTION_HELP, withSelection } from '../log-selection.ts'
import type { SelectionOptions } from '../log-selection.ts'
import { addArchiveOption } from '../log-source.ts'
import type { VerifyOptions } from '../run/verify.ts'

export function addVerifyCommand(program: Command): void {
  addArchiveOption(addLogsArgument(program.command('verify')))
    .summary('check every byte of logs')
    .description(
      'Reads every byte of a log and reports every problem. Changes nothing, and can run while a broker is writing.',
    )
    .option('--digest', 'also print a SHA-256 of the records and their offsets, which equal copies of a log share')
    .option('--json', 'print the report as JSON; a list of reports with --all, a pattern or several logs')
    .addHelpText(
      'after',
      `
Examples:
  sq-wal verify orders/0 -d /var/lib/broker
  sq-wal verify 'web/*' orders/0
  sq-wal verify --all --json | jq '.[].problems'
  sq-wal verify orders/0 --store s3://backup/main

Notes are not problems: a torn tail, which the next writer truncates; an ignored tail; quarantined files.
${SELECTION_HELP}

Exit status: 0 if no log has a problem; 1 if a log has one or cannot be read, or if there is no log; 2 for a usage
error.`,
    )
    .action(async (logs: string[], options: VerifyOptions & SelectionOptions) => {
      const { verifyLogs } = await import('../run/verify.ts')
      process.exitCode = await withSelection(logs, options, (selection) => verifyLogs(selection, options), {
        anyPath: true,
      })
    })
}
