/** `sq-wal verify`: its options and its help. */
import type { Command } from 'commander'
import { addOptionalLogArgument, dataDirOf, parseLogName } from '../log-name.ts'
import type { VerifyOptions } from '../run/verify.ts'
import { UsageError } from '../usage-error.ts'

export function addVerifyCommand(program: Command): void {
  addOptionalLogArgument(program.command('verify'))
    .summary('check every byte of a log, or of all')
    .description(
      'Reads every byte of a log and reports all that should not be so, with what could be done about it. Changes ' +
        'nothing, and may run beside a broker.',
    )
    .option('--all', 'verify every log in the data directory')
    .option('--json', 'write the reports as JSON: of --all a list')
    .addHelpText(
      'after',
      `
Examples:
  sq-wal verify orders/0 -d /var/lib/broker
  sq-wal verify --all --json | jq '.[].problems'

Notes are no problems: a torn end, which the next writer cuts off; ignored bytes behind a stated end; files that a
repair quarantined.

With --all a log that cannot be looked at is one line on stderr, with --json an entry of the list, and the others are
verified.

Exit status: 0 if no log has a problem; 1 if one has, or cannot be looked at, or --all finds no log; 2 on misuse.`,
    )
    .action(async (log: string | undefined, options: VerifyOptions) => {
      if ((log === undefined) !== (options.all === true)) throw new UsageError('verify takes a log, or --all')
      const { verifyAll, verifyLog } = await import('../run/verify.ts')
      process.exitCode = await (log === undefined
        ? verifyAll(dataDirOf(options), options)
        : verifyLog(parseLogName(log, options), options))
    })
}
