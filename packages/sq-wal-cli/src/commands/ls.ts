/** `sq-wal ls`: its options and its help. */
import type { Command } from 'commander'
import { addDataDirOption } from '../log-name.ts'
import { addArchiveOption, withLogs } from '../log-source.ts'
import type { SourceOptions } from '../log-source.ts'
import type { LsOptions } from '../run/ls.ts'
import { UsageError } from '../usage-error.ts'
import { addLocalOption } from '../written-time.ts'

export function addLsCommand(program: Command): void {
  addLocalOption(addArchiveOption(addDataDirOption(program.command('ls'))))
    .summary('list the logs in a data directory or an archive')
    .description('Lists the segments, records, bytes, offsets and times of every topic and partition.')
    .argument('[dir]', 'the data directory (default: $SQ_WAL_DIR, or the working directory)')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  sq-wal ls /var/lib/broker
  sq-wal ls --json | jq '.[].records'
  sq-wal ls --store s3://backup/main

If a log cannot be read, the others are still listed. Its error is a line on stderr (with --json, an entry of the list),
and the exit status is 1. If there is no log, a line on stderr says so.`,
    )
    .action(async (directory: string | undefined, options: LsOptions & SourceOptions) => {
      const { ls } = await import('../run/ls.ts')
      process.exitCode = await withLogs(inDirectory(directory, options), (source) => ls(source, options))
    })
}

function inDirectory(directory: string | undefined, options: SourceOptions): SourceOptions {
  if (directory === undefined) return options
  if (options.dataDir === undefined) return { ...options, dataDir: directory }
  throw new UsageError('the data directory is given twice: as an argument and with --data-dir')
}
