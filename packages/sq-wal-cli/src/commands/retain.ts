/** `sq-wal retain`: its options and its help. */
import type { Command } from 'commander'
import { addLogArgument, parseLogName } from '../log-name.ts'
import { parseAge, parseBytes, parsePlace, PLACES } from '../place.ts'
import type { RetainOptions } from '../run/retain.ts'
import { UsageError } from '../usage-error.ts'

export function addRetainCommand(program: Command): void {
  addLogArgument(program.command('retain'))
    .summary('delete old segments: shows which, and does it with --yes')
    .description(
      'Deletes the oldest segments, those that one of the limits lets go: only whole ones, and the one that is written ' +
        'to only by its age. Without --yes it only shows which, and what holds those that stay.',
    )
    .option('--bytes <size>', 'keep no more than this, such as 500MB or 2GiB', parseBytes)
    .option('--age <duration>', 'keep nothing older than this by its timestamps, such as 90m, 36h or 7d', parseAge)
    .option('--before <place>', `keep nothing that is before: ${PLACES}`, parsePlace)
    .option('--trust-clock', "go by this machine's clock for --age, also where the log contradicts it")
    .option('-y, --yes', 'do it')
    .option('--json', 'write the segments as JSON')
    .addHelpText(
      'after',
      `
Examples:
  sq-wal retain orders/0 --age 7d --bytes 10GB
  sq-wal retain orders/0 --before 2026-11-01T00:00Z --yes

--age needs a clock that is right. Where it is behind the log or far ahead of all that the log says, nothing is deleted.
The broker must be stopped for --yes, not to look. Exit status: 0, 1 where something failed, 2 on misuse.`,
    )
    .action(async (log: string, options: RetainOptions) => {
      const { bytes, age, before } = options
      if (bytes === undefined && age === undefined && before === undefined) {
        throw new UsageError('retain needs a limit: --bytes, --age or --before')
      }
      const { retain } = await import('../run/retain.ts')
      await retain(parseLogName(log, options), options)
    })
}
