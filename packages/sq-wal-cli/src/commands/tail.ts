/** `sq-wal tail`: its options and its help. */
import type { Command } from 'commander'
import { addLogArgument, parseLogName } from '../log-name.ts'
import { parseCount } from '../place.ts'
import type { TailOptions } from '../run/tail.ts'
import { addRecordOptions, FORMAT_HELP } from './cat.ts'

export function addTailCommand(program: Command): void {
  addRecordOptions(addLogArgument(program.command('tail')))
    .summary('write the last records of a log, and those that come')
    .description('Writes the last records of a log; with --follow also every one that comes, until Ctrl-C.')
    .option('-n, --count <n>', 'how many of the last records, of which --key and --grep then choose', parseCount(0), 10)
    .option('-f, --follow', 'go on with what is appended')
    .addHelpText(
      'after',
      `
Examples:
  sq-wal tail orders/0
  sq-wal tail -f -n 0 orders/0 --format json

Beside a running broker the last record shown may be one that it is just about to acknowledge, but not with
--durable-only. Exit status: 0, also after Ctrl-C, except with --grep: then it ends by that signal, as the shell's 130;
1 where something failed, 2 on misuse.
${FORMAT_HELP}`,
    )
    .action(async (log: string, options: TailOptions) => {
      const { tail } = await import('../run/tail.ts')
      process.exitCode = await tail(parseLogName(log, options), options)
    })
}
