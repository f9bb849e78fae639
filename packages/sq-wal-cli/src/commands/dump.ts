/** `sq-wal dump`: its options and its help. */
import type { Command } from 'commander'
import { addArchiveOption, withSource } from '../log-source.ts'
import type { SourceOptions } from '../log-source.ts'
import type { DumpOptions } from '../run/dump.ts'
import { addLocalOption } from '../written-time.ts'

export function addDumpCommand(program: Command): void {
  addLocalOption(addArchiveOption(program.command('dump')))
    .summary('show the contents of a segment file, frame by frame')
    .description(
      'Prints every frame of a segment file with its position and its fields. Bytes that do not verify are printed ' +
        'with the reason. The file can be a copy or a quarantined file. Symbolic links are not followed.',
    )
    .argument('<segment>', 'the path of a segment file; with --store, its key in the archive')
    .option('--hex', 'also print the bytes')
    .option('--json', 'print JSON, one object for each part of the file')
    .addHelpText(
      'after',
      `
Examples:
  sq-wal dump /var/lib/broker/orders/0/00000000000000000000.wal
  sq-wal dump copy.wal --hex | less
  sq-wal dump orders/0/00000000000000000000.wal --store s3://backup/main

Exit status: 0 if the whole file verifies; 1 if a part of it does not; 2 for a usage error. A torn tail, which the next
writer truncates, does not verify either; "sq-wal verify" tells torn tails and damage apart.`,
    )
    .action(async (segment: string, options: DumpOptions & SourceOptions) => {
      const { dump } = await import('../run/dump.ts')
      process.exitCode = await withSource(options, (source) => dump(source, segment, options))
    })
}
