/** `sq-wal retain`: its options and its help. */
import type { Command } from 'commander'
import { addLogsArgument, SELECTION_HELP, withSelection } from '../log-selection.ts'
import type { SelectionOptions } from '../log-selection.ts'
import { parseAge, parseBytes, parsePlace, PLACES, TIMES_HELP } from '../place.ts'
import type { RetainOptions } from '../run/retain.ts'
import { UsageError } from '../usage-error.ts'
import { addLocalOption } from '../written-time.ts'

export function addRetainCommand(program: Command): void {
  addLocalOption(addLogsArgument(program.command('retain')))
    .summary('list the old segments that limits would delete; --yes deletes them')
    .description(
      'Deletes the oldest segments that exceed any of the limits. Segments are deleted whole, and the active segment ' +
        'only by --age. Without --yes, the command only lists them and says why others are kept.',
    )
    .option('--bytes <size>', 'keep at most this size, such as 500MB or 2GiB', parseBytes)
    .option('--age <duration>', 'keep records no older than this, by timestamp, such as 90m, 36h or 7d', parseAge)
    .option('--before <place>', `keep records from this place on: ${PLACES}`, parsePlace)
    .option('--trust-clock', "trust this machine's clock for --age, even if the log contradicts it")
    .option('-y, --yes', 'delete the segments')
    .option('--json', 'print JSON; a list with --all, a pattern or several logs')
    .addHelpText(
      'after',
      `
Examples:
  sq-wal retain orders/0 --age 7d --bytes 10GB
  sq-wal retain orders/0 --before 2026-11-01T00:00Z --yes
  sq-wal retain 'web/*' --age 30d

The limits are those of each log.

--age needs a correct clock. If the clock is behind the log, or far ahead of every time in it, nothing is deleted. Stop
the broker before you use --yes; without --yes it can keep running.
${SELECTION_HELP}
${TIMES_HELP}

Exit status: 0 on success; 1 on failure; 2 for a usage error.`,
    )
    .action(async (logs: string[], options: RetainOptions & SelectionOptions) => {
      const { bytes, age, before } = options
      if (bytes === undefined && age === undefined && before === undefined) {
        throw new UsageError('retain needs a limit: --bytes, --age or --before')
      }
      const { retain } = await import('../run/retain.ts')
      process.exitCode = await withSelection(logs, options, (selection) => retain(selection, options))
    })
}
