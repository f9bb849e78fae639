/** `sq-wal ls`: its options and its help. */
import type { Command } from 'commander'
import { addDataDirOption } from '../log-name.ts'
import type { LsOptions } from '../run/ls.ts'

export function addLsCommand(program: Command): void {
  addDataDirOption(program.command('ls'))
    .summary('list the logs in a data directory')
    .description('Lists the segments, records, bytes, offsets and times of every topic and partition.')
    .argument('[dir]', 'the data directory (default: $SQ_WAL_DIR, or the working directory)')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  sq-wal ls /var/lib/broker
  sq-wal ls --json | jq '.[].records'

If a log cannot be read, the others are still listed. Its error is a line on stderr (with --json, an entry of the list),
and the exit status is 1. If there is no log, a line on stderr says so.`,
    )
    .action(async (directory: string | undefined, options: LsOptions) => {
      const { ls } = await import('../run/ls.ts')
      process.exitCode = await ls(directory, options)
    })
}
