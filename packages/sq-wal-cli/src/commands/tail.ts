/** `sq-wal tail`: its options and its help. */
import type { Command } from 'commander'
import { addLogArgument } from '../log-name.ts'
import { addArchiveOption, withLog } from '../log-source.ts'
import type { SourceOptions } from '../log-source.ts'
import { parseCount, TIMES_HELP } from '../place.ts'
import type { TailOptions } from '../run/tail.ts'
import { addRecordOptions, FORMAT_HELP } from './cat.ts'

export function addTailCommand(program: Command): void {
  addRecordOptions(addArchiveOption(addLogArgument(program.command('tail'))))
    .summary('print the last records of a log; --follow prints new ones too')
    .description('Prints the last records of a log. With --follow, also prints new records until Ctrl-C.')
    .option(
      '-n, --count <n>',
      'how many of the last records to read; the other options filter these',
      parseCount(0),
      10,
    )
    .option('-f, --follow', 'print new records as they are appended')
    .addHelpText(
      'after',
      `
Examples:
  sq-wal tail orders/0
  sq-wal tail -f -n 0 orders/0 --format json
  sq-wal tail orders/0 --store s3://backup/main

While a broker is running, the last record printed may not be acknowledged yet; --durable-only omits it.

With --store, --follow prints the records of each segment once it is archived. It looks every 5 seconds.

Exit status: 0 on success and after Ctrl-C; 1 on failure; 2 for a usage error. With --grep, Ctrl-C ends the process by
its signal, which a shell shows as 130.
${TIMES_HELP}
${FORMAT_HELP}`,
    )
    .action(async (log: string, options: TailOptions & SourceOptions) => {
      const { tail } = await import('../run/tail.ts')
      process.exitCode = await withLog(log, options, (located) => tail(located, options))
    })
}
