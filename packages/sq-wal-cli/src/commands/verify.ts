/** `sq-wal verify`: its options and its help. */
import type { Command } from 'commander'
import { addOptionalLogArgument } from '../log-name.ts'
import { addArchiveOption, withLog, withLogs } from '../log-source.ts'
import type { SourceOptions } from '../log-source.ts'
import type { VerifyOptions } from '../run/verify.ts'
import { UsageError } from '../usage-error.ts'

export function addVerifyCommand(program: Command): void {
  addArchiveOption(addOptionalLogArgument(program.command('verify')))
    .summary('check every byte of a log or of all logs')
    .description(
      'Reads every byte of a log and reports every problem. Changes nothing, and can run while a broker is writing.',
    )
    .option('--all', 'verify every log in the data directory')
    .option('--json', 'print the report as JSON; with --all, a list of reports')
    .addHelpText(
      'after',
      `
Examples:
  sq-wal verify orders/0 -d /var/lib/broker
  sq-wal verify --all --json | jq '.[].problems'
  sq-wal verify orders/0 --store s3://backup/main

Notes are not problems: a torn tail, which the next writer truncates; an ignored tail; quarantined files.

With --all, if a log cannot be read, the others are still verified. Its error is a line on stderr (with --json, an entry
of the list).

Exit status: 0 if no log has a problem; 1 if a log has one or cannot be read, or if --all finds no log; 2 for a usage
error.`,
    )
    .action(async (log: string | undefined, options: VerifyOptions & SourceOptions) => {
      if ((log === undefined) !== (options.all === true)) throw new UsageError('verify takes a log, or --all')
      const { verifyAll, verifyLog } = await import('../run/verify.ts')
      process.exitCode = await (log === undefined
        ? withLogs(options, (source) => verifyAll(source, options))
        : withLog(log, options, (located) => verifyLog(located, options)))
    })
}
